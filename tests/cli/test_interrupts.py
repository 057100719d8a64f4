"""Ctrl-C in the import of an extension module lets that end first."""

import gc
import signal
import time
import weakref
from importlib.machinery import ExtensionFileLoader

import pytest

from jnn.cli.execution import terminable
from jnn.cli.interrupts import OF_WEAK_REFERENCES, deferred_in_extensions
from jnn.errors import Interrupted


class Extension(ExtensionFileLoader):
    """An extension module that is interrupted in its import."""

    whole = False

    def exec_module(self, module):
        signal.raise_signal(signal.SIGINT)
        time.sleep(0.05)  # it is tried again meanwhile
        self.whole = True


def test_an_extension_is_imported_whole_before_the_interrupt_is_raised():
    extension = Extension("a", "a.so")
    with pytest.raises(KeyboardInterrupt), deferred_in_extensions():
        extension.exec_module(None)
        time.sleep(5)
    assert extension.whole
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler
    assert signal.getitimer(signal.ITIMER_REAL) == (0, 0)


@pytest.mark.parametrize(
    ("signum", "caught", "error"),
    [
        (signal.SIGINT, deferred_in_extensions, KeyboardInterrupt),
        (signal.SIGTERM, terminable, Interrupted),
    ],
)
def test_garbage_collection_does_not_drop_it(capfd, signum, caught, error):
    def interrupt(phase, info):
        if phase == "start":
            signal.raise_signal(signum)

    gc.collect()  # else what other tests left is collected while it is tried again
    gc.callbacks.append(interrupt)
    try:
        with pytest.raises(error), caught():
            gc.collect(0)
            gc.callbacks.remove(interrupt)
            time.sleep(5)
    finally:
        gc.callbacks[:] = [callback for callback in gc.callbacks if callback is not interrupt]
    assert capfd.readouterr().err == ""


def test_the_end_of_an_object_does_not_drop_it(capfd):
    class Ending:
        def __del__(self):
            raise_signal()

    def raise_signal():
        signal.raise_signal(signal.SIGINT)

    with pytest.raises(KeyboardInterrupt), deferred_in_extensions():
        Ending()
        time.sleep(5)
    assert capfd.readouterr().err == ""


def test_the_end_of_an_object_that_is_held_weakly_does_not_drop_it():
    """Its callbacks are called by the collector, which drops what they raise."""
    keys = weakref.WeakKeyDictionary({Extension("a", "a.so"): None}), weakref.WeakSet()
    for callback in (keys[0]._remove, keys[1]._remove):
        assert callback.__code__.co_filename in OF_WEAK_REFERENCES


def test_elsewhere_it_is_raised_at_once():
    with pytest.raises(KeyboardInterrupt), deferred_in_extensions():
        signal.raise_signal(signal.SIGINT)
        pytest.fail("not raised")


def test_another_handler_is_left_as_it_is():
    caught = []
    previous = signal.signal(signal.SIGINT, lambda *_: caught.append(True))
    try:
        with deferred_in_extensions():
            signal.raise_signal(signal.SIGINT)
    finally:
        signal.signal(signal.SIGINT, previous)
    assert caught == [True]
