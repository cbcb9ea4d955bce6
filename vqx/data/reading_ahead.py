"""Reading ahead in threads, for readers that spend their time outside of Python's lock."""

from collections import deque
from collections.abc import Callable, Generator, Iterable
from concurrent.futures import Future, ThreadPoolExecutor
from itertools import islice
from typing import TypeVar

Request = TypeVar("Request")
Answer = TypeVar("Answer")


def read_ahead(
    read: Callable[[Request], Answer],
    requests: Iterable[Request],
    *,
    threads: int,
    ahead: int = 2,
) -> Generator[Answer, None, None]:
    """`read(request)` for each request, in order, computed ahead by `threads` threads.

    0 threads compute in the caller's, when asked. Requests are drawn in the caller's thread, at
    most `ahead` a thread before they are wanted. What `read` raises is raised in its turn. Closing
    the generator ends the threads; at the end of the process they finish what they have begun.
    """
    if not threads:
        yield from map(read, requests)
        return
    coming = iter(requests)
    waiting: deque[Future[Answer]] = deque()
    pool = ThreadPoolExecutor(threads, thread_name_prefix="vqx-read")
    try:
        for request in islice(coming, threads * ahead):
            waiting.append(pool.submit(read, request))
        while waiting:
            answer = waiting.popleft().result()
            for request in islice(coming, 1):
                waiting.append(pool.submit(read, request))
            yield answer
    finally:
        pool.shutdown(wait=True, cancel_futures=True)
