"""The service: HTTP, storage, concurrency, and the command line; no image maths."""

from service.memory import set_up_malloc

set_up_malloc()  # here, because numpy starts threads as soon as it is imported
