"""Jobs: the job file as typed values, and the stages that a job runs."""
