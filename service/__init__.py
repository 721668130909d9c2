"""The service: HTTP, storage, concurrency, and the command line; no image maths."""

from service.memory import use_one_arena

use_one_arena()  # here, because numpy starts threads as soon as it is imported
