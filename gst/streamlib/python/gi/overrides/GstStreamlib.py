# SPDX-License-Identifier: LGPL-2.1-or-later
"""What PyGObject adds to GstStreamlib: exceptions that the pipeline sees, and short ways to say it.

PyGObject prints an exception of a virtual method and answers 0 to GStreamer, which is GST_FLOW_OK:
the stream would go on as if nothing had happened. Here each virtual method of a subclass of
Processor is wrapped when the class is made. An exception becomes an ERROR message of the element,
with the traceback as its debug text, and the answer is the one for failure.
"""
import functools
import inspect
import sys
import threading
import traceback

from gi._gi import VFuncInfo
from gi.repository import GLib, GObject, Gst
from gi.types import find_vfunc_info_in_interface

from ..module import get_introspection_module
from ..overrides import override
from ._streamlib_graph import Graph, GraphEdit, GraphError  # noqa: F401

GstStreamlib = get_introspection_module("GstStreamlib")

__all__ = []

# In nanoseconds; the macro is none that g-ir-scanner could read.
DISPATCHER_DEFAULT_TIMEOUT = Gst.SECOND
__all__.append("DISPATCHER_DEFAULT_TIMEOUT")

# Of GITypeTag and GIDirection.
_TAG_VOID, _TAG_BOOLEAN, _TAG_INTERFACE = 0, 1, 16
_NUMERIC_TAGS = range(2, 12)
_DIRECTION_OUT = 1

# What stands for failure where it is not zero.
_FAILURES = {Gst.FlowReturn.__gtype__: Gst.FlowReturn.ERROR,
             Gst.StateChangeReturn.__gtype__: Gst.StateChangeReturn.FAILURE}

# PyGObject calls these by their names; they are no introspected methods.
_PROPERTY_METHODS = ("do_get_property", "do_set_property")

# Those whose None, a forgotten "return True", means that it went well.
_MAY_RETURN_NOTHING = ("do_setup", "do_start", "do_set_caps", "do_sink_event")

_ERROR_CODES = {
    "do_setup": Gst.LibraryError.INIT, "do_start": Gst.LibraryError.INIT,
    "do_teardown": Gst.LibraryError.SHUTDOWN, "do_stop": Gst.LibraryError.SHUTDOWN,
    "do_set_property": Gst.LibraryError.SETTINGS, "do_get_property": Gst.LibraryError.SETTINGS}

# Whether this thread is reporting: a do_post_message() that raises must not be asked to post that.
_reporting = threading.local()


def _failure_of(type_info):
    tag = type_info.get_tag()
    if tag == _TAG_BOOLEAN:
        return False
    if tag in _NUMERIC_TAGS:
        return 0
    if tag != _TAG_INTERFACE or type_info.is_pointer():
        return None
    gtype = type_info.get_interface().get_g_type()
    return _FAILURES.get(gtype, 0)


def _failed_answer(vfunc):
    """What a virtual method answers when it has failed, as PyGObject wants it."""
    answers = [_failure_of(argument.get_type()) for argument in vfunc.get_arguments()
               if argument.get_direction() == _DIRECTION_OUT]
    if vfunc.get_return_type().get_tag() != _TAG_VOID or vfunc.get_return_type().is_pointer():
        answers.insert(0, _failure_of(vfunc.get_return_type()))
    return None if not answers else answers[0] if len(answers) == 1 else tuple(answers)


def _find_vfunc(klass, name):
    """The virtual method that PyGObject will connect a method of this name to."""
    for base in klass.__mro__[1:]:
        if isinstance(base.__dict__.get(name), VFuncInfo):
            return base.__dict__[name]
        # The long form, do_Class_method.
        info = base.__dict__.get("__info__")
        for vfunc in info.get_vfuncs() if hasattr(info, "get_vfuncs") else ():
            if name == f"do_{base.__name__}_{vfunc.get_name()}":
                return vfunc
    return find_vfunc_info_in_interface(klass.__bases__, name[len("do_"):])


def _report(element, name, error, throws):
    """Posts an exception as an element error."""
    # Without the frame of the wrapper.
    frames = error.__traceback__.tb_next if error.__traceback__ else None
    text = "".join(traceback.format_exception(type(error), error, frames)).rstrip()
    what = f"{type(error).__name__}: {error}" if str(error) else type(error).__name__
    message = (f"{element.get_name()}: {type(element).__name__}.{name}() raised {what}. "
               "The debug text says where.")
    domain, code = Gst.LibraryError.quark(), _ERROR_CODES.get(name, Gst.LibraryError.FAILED)
    if isinstance(error, GLib.Error) and error.domain:
        domain, code = GLib.quark_from_string(error.domain), error.code
        if throws:
            # It was raised for the user to read.
            message = error.message
    if getattr(_reporting, "now", False) or element.get_bus() is None:
        sys.excepthook(type(error), error, frames)
        return
    _reporting.now = True
    try:
        element.report_error(domain, code, message, text)
    finally:
        _reporting.now = False


def _check_flow(flow):
    if flow is None:
        return Gst.FlowReturn.OK
    # A bool is an int too, but no flow return.
    if isinstance(flow, Gst.FlowReturn):
        return flow
    if isinstance(flow, int) and not isinstance(flow, bool):
        return Gst.FlowReturn(flow)
    raise TypeError(f"a Gst.FlowReturn was expected, not {flow!r}")


def _check_buffer(buffer):
    if buffer is None or isinstance(buffer, Gst.Buffer):
        return buffer
    raise TypeError(f"a Gst.Buffer was expected, not {buffer!r}")


def _push_all(element, buffers):
    for buffer in buffers:
        if buffer is None:
            continue
        flow = element.push(None, _check_buffer(buffer))
        if flow != Gst.FlowReturn.OK:
            return flow
    return Gst.FlowReturn.OK


def _process_answer(element, answer):
    if answer is None or isinstance(answer, Gst.Buffer):
        return Gst.FlowReturn.OK, answer
    if isinstance(answer, list) or inspect.isgenerator(answer):
        return _push_all(element, answer), None
    if isinstance(answer, tuple):
        if len(answer) != 2:
            raise TypeError(f"a flow return and a buffer were expected, not {answer!r}")
        return _check_flow(answer[0]), _check_buffer(answer[1])
    return _check_flow(answer), None


def _checked_answer(element, name, failure, answer):
    """Answers that PyGObject could not use are errors of the method, too."""
    if name == "do_process":
        return _process_answer(element, answer)
    if failure is False:
        return True if answer is None and name in _MAY_RETURN_NOTHING else bool(answer)
    if failure is Gst.FlowReturn.ERROR:
        return _check_flow(answer)
    if failure is Gst.StateChangeReturn.FAILURE and not isinstance(answer, int):
        raise TypeError(f"a Gst.StateChangeReturn was expected, not {answer!r}")
    return answer


def _wrap(name, method, failure, throws):
    @functools.wraps(method)
    def guarded(self, *args):
        try:
            return _checked_answer(self, name, failure, method(self, *args))
        except BaseException as error:  # GStreamer called: nobody else could catch it
            _report(self, name, error, throws)
            return failure
    return guarded


def _wrap_property_method(name, method):
    @functools.wraps(method)
    def guarded(self, spec, *args):
        try:
            return method(self, spec, *args)
        except BaseException as error:
            _report(self, name, error, False)
            return spec.default_value if name == "do_get_property" else None
    return guarded


class _ProcessorMeta(type(GstStreamlib.Processor)):
    """Connects GStreamer to guarded methods, and leaves the methods themselves to Python.

    So super().do_process() and a test that calls a method get its exception, as they would of any
    other method, and it is reported once, where it would reach GStreamer.
    """

    def __init__(cls, name, bases, namespace):
        own = {}
        for key, method in list(namespace.items()):
            if not key.startswith("do_") or not callable(method):
                continue
            vfunc = _find_vfunc(cls, key) if key not in _PROPERTY_METHODS else None
            if vfunc is not None:
                own[key] = method
                guarded = _wrap(key, method, _failed_answer(vfunc), vfunc.can_throw_gerror())
                setattr(cls, key, guarded)
        super().__init__(name, bases, namespace)
        for key, method in own.items():
            setattr(cls, key, method)
        # These two are looked up by name at each call, and may only now be there.
        for key in _PROPERTY_METHODS:
            if key in cls.__dict__:
                setattr(cls, key, _wrap_property_method(key, cls.__dict__[key]))


class _Invocation:
    """A function on its way to the runtime thread."""

    def __init__(self, func, args):
        self._func, self._args = func, args
        self._lock = threading.Lock()
        self._abandoned = False
        self._error = None
        self.value = None

    def run(self, *_data):
        try:
            self.value = self._func(*self._args)
        except BaseException as error:
            with self._lock:
                self._error = error
                abandoned = self._abandoned
            if abandoned:
                sys.excepthook(type(error), error, error.__traceback__)

    def abandon(self):
        """Nobody waits any more: what it still raises is shown by sys.excepthook."""
        with self._lock:
            self._abandoned = True
            error = self._error
        if error is not None:
            sys.excepthook(type(error), error, error.__traceback__)

    def result(self):
        if self._error is not None:
            raise self._error
        return self.value


def _invoke(call, func, args):
    invocation = _Invocation(func, args)
    try:
        call(invocation.run)
    except GLib.Error:
        invocation.abandon()
        raise
    return invocation.result()


class Processor(GstStreamlib.Processor, metaclass=_ProcessorMeta):
    """The base class of elements between lock-free links.

    do_process() may return a buffer, a list of buffers or, as a generator, yield them; nothing;
    a Gst.FlowReturn; or a pair of flow return and buffer. It may push buffers with push() besides.
    do_setup(), do_start(), do_set_caps() and do_sink_event() fail by an exception or by False.
    """

    def invoke(self, label, func, *args):
        """Runs func(*args) on the runtime thread, and returns or raises what that does.

        Raises GLib.Error where it could not be run; GstStreamlib.Dispatcher says which there are.
        """
        return _invoke(lambda run: super(Processor, self).invoke(label, run), func, args)

    def report_error(self, domain, code, text, debug=None):
        """Posts an error: what went wrong and what to do about it, and the facts as debug text."""
        super().report_error(domain, code, text, debug)


Processor = override(Processor)
__all__.append("Processor")


class Dispatcher(GstStreamlib.Dispatcher):
    """The way to the thread that serves a GLib.MainContext."""

    def invoke(self, label, func, *args, timeout=DISPATCHER_DEFAULT_TIMEOUT, cancellable=None):
        """Runs func(*args) on the runtime thread, and returns or raises what that does.

        timeout is in nanoseconds. Raises GLib.Error where the function could not be run.
        """
        return _invoke(lambda run: super(Dispatcher, self).invoke(label, run, None, timeout,
                                                                  cancellable), func, args)

    def invoke_async(self, label, func, *args):
        """Has func(*args) run on the runtime thread; an exception goes to sys.excepthook."""
        def run(*_data):
            try:
                func(*args)
            except Exception as error:
                sys.excepthook(type(error), error, error.__traceback__)
        super().invoke_async(label, run)


Dispatcher = override(Dispatcher)
__all__.append("Dispatcher")

__all__ += ["Graph", "GraphEdit", "GraphError"]
