"""The rules of channels by name of the operator; another package adds one by an entry point `nas.channel_rules`.

An operator without a rule is not understood: what it reads and writes stays.
"""

from __future__ import annotations

from search_spaces.channels.arrangement_rules import ARRANGEMENT_RULES
from search_spaces.channels.layer_rules import LAYER_RULES
from search_spaces.channels.product_rules import PRODUCT_RULES
from search_spaces.channels.reshape_rule import RESHAPE_RULES
from search_spaces.channels.rule import ChannelRule
from search_spaces.registry import Registry

CHANNEL_RULES: Registry[ChannelRule] = Registry(
    "channel rule",
    {**LAYER_RULES, **PRODUCT_RULES, **RESHAPE_RULES, **ARRANGEMENT_RULES},
    lambda entry: isinstance(entry, ChannelRule),
)
