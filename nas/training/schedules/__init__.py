"""What a training does when, as data: phases, schedules of them, and the ready-made ones."""
