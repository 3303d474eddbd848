"""Why an operator's command was not done, beside Redis being away. The text says what was seen and what to do."""


class NotSafe(Exception):
    """Applying this configuration would forget VMs."""


class NoLetter(LookupError):
    """There is no dead letter of this id: it was dropped, sent again, or pushed out by newer ones."""
