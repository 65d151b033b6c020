# SPDX-License-Identifier: LGPL-2.1-or-later
"""Graph and its edits as Python would have them: dictionaries in and out, `with`, exceptions."""
import asyncio
import collections
import collections.abc
import json
import os

from gi.repository import GLib, GObject, Gst

from ..module import get_introspection_module
from ..overrides import override

GstStreamlib = get_introspection_module("GstStreamlib")

# The overrides of a namespace have to stand in the module of its name.
_MODULE = "gi.overrides.GstStreamlib"
_DOMAIN = "gst-sl-graph-error-quark"
_Code = GstStreamlib.GraphError
_INSTANTS = {"now": GstStreamlib.GraphInstant.NOW,
             "next-key-unit": GstStreamlib.GraphInstant.NEXT_KEY_UNIT}


class Problem(collections.namedtuple("Problem", "pointer reason hint")):
    """What is wrong, at which place of a description (a JSON pointer), and what may help."""

    def __str__(self):
        return (f"{self.pointer or 'the description'}: {self.reason}"
                f"{'; ' if self.hint else ''}{self.hint}")


class GraphError(GLib.Error):
    """Why a graph did not change; it is what it was before.

    code is one of INVALID, CONFLICT, FAILED, TIMED_OUT, CANCELLED and WRONG_THREAD, problems a list
    of (pointer, reason, hint).
    """
    __module__ = _MODULE

    INVALID = _Code.INVALID
    CONFLICT = _Code.CONFLICT
    FAILED = _Code.FAILED
    TIMED_OUT = _Code.TIMED_OUT
    CANCELLED = _Code.CANCELLED
    WRONG_THREAD = _Code.WRONG_THREAD

    def __init__(self, message, code, problems):
        super().__init__(message, _DOMAIN, _Code(code))
        self.problems = [Problem(**problem) for problem in problems]

    def __str__(self):
        return self.message

    @staticmethod
    def quark():
        return GLib.quark_from_string(_DOMAIN)


def _raise_as_ours(error, problems=None):
    if error.domain != _DOMAIN:
        raise error
    if problems is None:
        reason = error.message.removeprefix("the description: ")
        problems = [{"pointer": "", "reason": reason, "hint": ""}]
    raise GraphError(error.message, error.code, problems) from None


def _plain(value):
    """For values that JSON has not."""
    if isinstance(value, os.PathLike):
        return os.fspath(value)
    if isinstance(value, GObject.GEnum):
        return value.value_nick
    if isinstance(value, GObject.GFlags):
        return "+".join(value.value_nicks)
    if isinstance(value, (Gst.Caps, Gst.Structure)):
        return value.to_string()
    if isinstance(value, Gst.Fraction):
        return f"{value.num}/{value.denom}"
    raise TypeError(f"{value!r} has no form in JSON; give it as text")


def _to_json(value):
    # The numbers of enumerations are not what a user means by them.
    if isinstance(value, (GObject.GEnum, GObject.GFlags)):
        value = _plain(value)
    return json.dumps(value, default=_plain, allow_nan=False)


def _read(description):
    """The text of a dictionary, of JSON or of a file, and the folder of the file."""
    if isinstance(description, collections.abc.Mapping):
        return _to_json(description), None
    if isinstance(description, str) and description.lstrip().startswith("{"):
        return description, None
    path = os.fspath(description)
    with open(path, encoding="utf-8") as file:
        return file.read(), os.path.dirname(os.path.abspath(path))


def _named(members):
    """Keywords as the names that they stand for."""
    return {name.replace("_", "-"): value for name, value in members.items()}


def _node(node, config):
    if isinstance(node, str) and not node.lstrip().startswith("{"):
        return _to_json({"type": node, "config": _named(config)} if config else {"type": node})
    if config:
        raise TypeError("keywords are the config of a node that is given by the name of its type; "
                        "a dictionary has its own \"config\"")
    return node if isinstance(node, str) else _to_json(node)


def _in_background(function):
    """An awaitable; the loop goes on meanwhile, whichever it is."""
    return asyncio.get_running_loop().run_in_executor(None, function)


class GraphEdit(GstStreamlib.GraphEdit):
    """Operations that are carried out together or not at all: `with graph.edit() as edit:`.

    The end of the block commits, an exception in it forgets the operations. Every operation returns
    the edit.
    """
    __module__ = _MODULE

    _pending = 0

    def _note(self):
        self._pending += 1
        return self

    def apply(self, description):
        """The whole description: a dictionary, JSON, or the path of a file."""
        super().set_description(*_read(description))
        return self._note()

    def add(self, id, node, **config):
        """A new node: a dictionary, or the name of its type and its config as keywords."""
        super().add_node(id, _node(node, config))
        return self._note()

    def remove(self, id):
        """Takes a node out, and its links."""
        super().remove_node(id)
        return self._note()

    def replace(self, id, node=None, **config):
        """Another node in the place of one; without a node a new element of the same."""
        super().replace_node(id, None if node is None else _node(node, config))
        return self._note()

    def link(self, source, sink, **options):
        """Links "node.pad" or "node" to another; the options are policy, depth and timing."""
        super().link(source, sink, _to_json(_named(options)) if options else None)
        return self._note()

    def unlink(self, source, sink):
        super().unlink(source, sink)
        return self._note()

    def configure(self, id, properties=None, **more):
        """Sets properties: keywords, or a dictionary for names such as "sink_0::alpha".

        None restores the default.
        """
        for name, value in {**(properties or {}), **_named(more)}.items():
            super().configure(id, name, None if value is None else _to_json(value))
            self._note()
        return self

    def at(self, when):
        """When the data takes the new way: "now", "next-key-unit", or a running time in ns."""
        if isinstance(when, int) and not isinstance(when, bool):
            super().set_instant(GstStreamlib.GraphInstant.RUNNING_TIME, when)
        elif when in _INSTANTS:
            super().set_instant(_INSTANTS[when], 0)
        else:
            raise ValueError(f"{when!r} is no instant; give 'now', 'next-key-unit' or a running "
                             "time in nanoseconds")
        return self

    def based_on(self, revision):
        """The commit is refused when the graph has another revision by then."""
        super().set_base_revision(revision)
        return self

    def _problems(self):
        return json.loads(super().get_problems())

    def plan(self):
        """What a commit would do now, as a dictionary."""
        try:
            return json.loads(super().plan())
        except GLib.Error as error:
            _raise_as_ours(error, self._problems())

    def commit(self):
        try:
            super().commit()
        except GLib.Error as error:
            _raise_as_ours(error, self._problems())
        self._pending = 0

    def commit_async(self, cancellable=None, callback=None, *data):
        """Calls back as functions of GIO do; without a callback it is to be awaited."""
        if callback is None:
            return _in_background(self.commit)
        self._pending = 0
        return super().commit_async(cancellable, callback, *data)

    def commit_finish(self, result):
        try:
            return super().commit_finish(result)
        except GLib.Error as error:
            _raise_as_ours(error, self._problems())

    def rollback(self):
        """Forgets the operations."""
        super().rollback()
        self._pending = 0

    def __enter__(self):
        return self

    def __exit__(self, kind, error, trace):
        if kind is not None:
            self.rollback()
        elif self._pending:
            self.commit()

    async def __aenter__(self):
        return self

    async def __aexit__(self, kind, error, trace):
        if kind is not None:
            self.rollback()
        elif self._pending:
            await self.commit_async()


GraphEdit = override(GraphEdit)


class Graph(GstStreamlib.Graph):
    """A bin that compiles a graph. `graph["id"]` is the element of a node."""
    __module__ = _MODULE

    def __init__(self, name=None, **properties):
        # Gst.Bin takes nothing but a name.
        GObject.Object.__init__(self, name=name, **properties)

    def __getitem__(self, id):
        element = self.get_node(id)
        if element is None:
            raise KeyError(id)
        return element

    def __contains__(self, id):
        return isinstance(id, str) and self.get_node(id) is not None

    def __iter__(self):
        return iter(self.list_nodes())

    def __len__(self):
        return len(self.list_nodes())

    def __bool__(self):
        # An empty graph is a graph.
        return True

    @property
    def revision(self):
        return self.get_revision()

    def edit(self):
        """An edit: `with graph.edit() as edit:`."""
        return super().begin()

    def apply(self, description):
        """Makes the graph what a dictionary, JSON or a file says."""
        self.edit().apply(description).commit()

    def apply_async(self, description, cancellable=None, callback=None, *data):
        """Calls back as functions of GIO do; without a callback it is to be awaited."""
        if callback is None:
            return self.edit().apply(description).commit_async()
        return super().apply_async(_read(description)[0], cancellable, callback, *data)

    def apply_finish(self, result):
        try:
            return super().apply_finish(result)
        except GLib.Error as error:
            _raise_as_ours(error)

    def plan(self, description):
        """What apply() would do now, as a dictionary."""
        return self.edit().apply(description).plan()

    def describe(self):
        return json.loads(super().describe())

    def stats(self):
        return json.loads(super().get_stats())

    def undo(self):
        """Takes the last commit back."""
        try:
            super().undo()
        except GLib.Error as error:
            _raise_as_ours(error)

    def add_node(self, id, node, **config):
        self.edit().add(id, node, **config).commit()

    def remove_node(self, id):
        self.edit().remove(id).commit()

    def replace_node(self, id, node=None, **config):
        self.edit().replace(id, node, **config).commit()

    def configure(self, id, properties=None, **more):
        self.edit().configure(id, properties, **more).commit()

    def link(self, source, sink=None, **options):
        """Links two nodes; the bin itself and another element are linked as any two elements."""
        if isinstance(source, Gst.Element):
            return Gst.Element.link(self, source)
        return self.edit().link(source, sink, **options).commit()

    def unlink(self, source, sink=None):
        if isinstance(source, Gst.Element):
            return Gst.Element.unlink(self, source)
        return self.edit().unlink(source, sink).commit()

    def pause_node(self, id):
        try:
            super().pause_node(id)
        except GLib.Error as error:
            _raise_as_ours(error)

    def resume_node(self, id):
        try:
            super().resume_node(id)
        except GLib.Error as error:
            _raise_as_ours(error)

    @staticmethod
    def check(description):
        """Raises GraphError with all problems of a description that cannot be applied."""
        problems = json.loads(GstStreamlib.Graph.find_problems(*_read(description)))
        if problems:
            text = "\n".join(str(Problem(**problem)) for problem in problems)
            raise GraphError(text, _Code.INVALID, problems)

    @staticmethod
    def catalogue(type=None):
        """What a type of nodes can be told, or which types there are."""
        return _ask(GstStreamlib.Graph.catalogue, type)

    @staticmethod
    def to_launch(description):
        """A description in the syntax of gst-launch-1.0."""
        try:
            return GstStreamlib.Graph.to_launch(_read(description)[0])
        except GLib.Error as error:
            _raise_as_ours(error)

    @staticmethod
    def from_launch(text):
        """The description of what gst-launch-1.0 would run."""
        return _ask(GstStreamlib.Graph.from_launch, text)


def _ask(function, argument):
    try:
        return json.loads(function(argument))
    except GLib.Error as error:
        _raise_as_ours(error)


Graph = override(Graph)
