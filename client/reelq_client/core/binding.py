"""How a route, written once, becomes a method of a blocking and of an asynchronous client, with the types of each."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Coroutine, Iterator
from functools import update_wrapper, wraps
from typing import TYPE_CHECKING, Any, Concatenate, Generic, ParamSpec, TypeVar, overload

from reelq_client.core.event_feed import Subscription
from reelq_client.core.requests import Flow
from reelq_client.models.base import Page

if TYPE_CHECKING:
    from typing_extensions import Self

    from reelq_client.core.async_driver import AsyncDriver, AsyncFile
    from reelq_client.core.requests import StoredFile
    from reelq_client.core.sync_driver import File, SyncDriver

P = ParamSpec("P")
T = TypeVar("T")


class Blocking:
    """The routes of a blocking client."""

    def __init__(self, driver: SyncDriver) -> None:
        self._driver: Any = driver


class Awaiting:
    """The routes of an asynchronous client."""

    def __init__(self, driver: AsyncDriver) -> None:
        self._driver: Any = driver


class _Bound:
    """Part of every binding: the function behind it, and its documentation."""

    def __init__(self, function: Callable[..., Any]) -> None:
        self._function = function
        update_wrapper(self, function)  # type: ignore[arg-type] # a wrapper that is called through its owner

    def _through(self, instance: Any, run: Callable[[Any], Any]) -> Callable[..., Any]:
        @wraps(self._function)
        def method(*args: Any, **kwargs: Any) -> Any:
            return run(self._function(instance, *args, **kwargs))

        return method


class call(_Bound, Generic[P, T]):
    """A route that gives one result."""

    def __init__(self, function: Callable[Concatenate[Any, P], Flow[T]]) -> None:
        super().__init__(function)

    @overload
    def __get__(self, instance: None, owner: Any = None) -> Self: ...
    @overload
    def __get__(self, instance: Blocking, owner: Any = None) -> Callable[P, T]: ...
    @overload
    def __get__(self, instance: Awaiting, owner: Any = None) -> Callable[P, Coroutine[Any, Any, T]]: ...
    def __get__(self, instance: Any, owner: Any = None) -> Any:
        return self if instance is None else self._through(instance, instance._driver.run)


class pages(_Bound, Generic[P, T]):
    """A route that is asked page by page: the function gives the flow of a page for a cursor."""

    def __init__(self, function: Callable[Concatenate[Any, P], Callable[[str | int | None], Flow[Page[T]]]]) -> None:
        super().__init__(function)

    @overload
    def __get__(self, instance: None, owner: Any = None) -> Self: ...
    @overload
    def __get__(self, instance: Blocking, owner: Any = None) -> Callable[P, Iterator[T]]: ...
    @overload
    def __get__(self, instance: Awaiting, owner: Any = None) -> Callable[P, AsyncIterator[T]]: ...
    def __get__(self, instance: Any, owner: Any = None) -> Any:
        return self if instance is None else self._through(instance, instance._driver.each)


class stream(_Bound, Generic[P, T]):
    """A route that sends events."""

    def __init__(self, function: Callable[Concatenate[Any, P], Subscription[T]]) -> None:
        super().__init__(function)

    @overload
    def __get__(self, instance: None, owner: Any = None) -> Self: ...
    @overload
    def __get__(self, instance: Blocking, owner: Any = None) -> Callable[P, Iterator[T]]: ...
    @overload
    def __get__(self, instance: Awaiting, owner: Any = None) -> Callable[P, AsyncIterator[T]]: ...
    def __get__(self, instance: Any, owner: Any = None) -> Any:
        return self if instance is None else self._through(instance, instance._driver.follow)


class stored(_Bound, Generic[P]):
    """A route that sends a file."""

    def __init__(self, function: Callable[Concatenate[Any, P], StoredFile]) -> None:
        super().__init__(function)

    @overload
    def __get__(self, instance: None, owner: Any = None) -> Self: ...
    @overload
    def __get__(self, instance: Blocking, owner: Any = None) -> Callable[P, File]: ...
    @overload
    def __get__(self, instance: Awaiting, owner: Any = None) -> Callable[P, AsyncFile]: ...
    def __get__(self, instance: Any, owner: Any = None) -> Any:
        return self if instance is None else self._through(instance, instance._driver.file)
