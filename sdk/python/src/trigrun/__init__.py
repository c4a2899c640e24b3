"""The client of TrigRun, which makes HTTP requests on a schedule."""

from ._async import AsyncTrigRun
from ._requests import VERSION as __version__
from ._sync import TrigRun
from .errors import Problem, TrigRunError, Unreachable, WaitTimeout

__all__ = ["AsyncTrigRun", "Problem", "TrigRun", "TrigRunError", "Unreachable", "WaitTimeout", "__version__"]
