"""Work of two ends of a pipe beside its middle: kernels and libsndfile let other threads run."""

from __future__ import annotations

import queue
import threading
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from typing import Any, TypeVar

T = TypeVar("T")
_DEPTH = 2  # blocks that wait between two threads: one being made, one being used
_END = object()


@contextmanager
def ahead(items: Iterable[T]) -> Iterator[Iterator[T]]:
    """The same items, each made by another thread before it is asked for.

    What `items` raises is raised where the item would have come. Leaving the block stops the other
    thread, and waits for it.
    """
    made: queue.Queue[Any] = queue.Queue(_DEPTH)
    stopped = threading.Event()

    def offer(entry: tuple[Any, BaseException | None]) -> bool:
        while not stopped.is_set():
            try:
                made.put(entry, timeout=0.1)
            except queue.Full:
                continue
            return True
        return False

    def work() -> None:
        try:
            for item in items:
                if not offer((item, None)):
                    return
        except BaseException as error:
            offer((_END, error))
        else:
            offer((_END, None))

    def taken() -> Iterator[T]:
        while True:
            item, error = made.get()
            if error is not None:
                raise error
            if item is _END:
                return
            yield item

    thread = threading.Thread(target=work, name="dspcore reads ahead", daemon=True)
    thread.start()
    try:
        yield taken()
    finally:
        stopped.set()
        thread.join()


@contextmanager
def behind(use: Callable[[T], object]) -> Iterator[Callable[[T], None]]:
    """A function that hands items to `use`, called by another thread one after the other.

    What `use` raises is raised by a later call, or at the end of the block, which waits until all
    is done; where the block ends with an error, what has not begun by then is left out.
    """
    given: queue.Queue[Any] = queue.Queue(_DEPTH)
    errors: list[BaseException] = []
    stopped = threading.Event()

    def work() -> None:
        while (item := given.get()) is not _END:
            if errors or stopped.is_set():
                continue
            try:
                use(item)
            except BaseException as error:
                errors.append(error)

    def hand(item: T) -> None:
        if errors:
            raise errors[0]
        given.put(item)

    thread = threading.Thread(target=work, name="dspcore writes behind", daemon=True)
    thread.start()
    try:
        yield hand
    except BaseException:
        stopped.set()
        raise
    finally:
        given.put(_END)
        thread.join()
    if errors:
        raise errors[0]
