"""What a replay has to know of the worker that ran a workflow."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass, field
from typing import Any, cast

import temporalio.worker
import temporalio.workflow
from temporalio.client import ClientConfig
from temporalio.common import HeaderCodecBehavior
from temporalio.converter import DataConverter
from temporalio.plugin import SimplePlugin
from temporalio.runtime import Runtime
from temporalio.worker import (
    Interceptor,
    Replayer,
    ReplayerConfig,
    UnsandboxedWorkflowRunner,
    WorkerConfig,
    WorkflowInstance,
    WorkflowInstanceDetails,
    WorkflowRunner,
)
from temporalio.worker._workflow_instance import _WorkflowInstanceImpl
from temporalio.worker.workflow_sandbox import SandboxedWorkflowRunner

from timeskip.lanes.test_tools import passing_test_tools
from timeskip.sdk_shortcuts import QuickSandbox

#: Told of each workflow that a replay makes, before its code runs.
OnCreated = Callable[[WorkflowInstance], None]

#: By workflow, a sandbox that has imported the workflow's module and not run any of its code.
Spares = dict[type, WorkflowInstance]

_HERE = __name__.partition(".")[0]

#: The SDK would read the code of every imported module to make one up.
_BUILD_ID = "timeskip"


@dataclass(frozen=True, eq=False)
class ReplaySettings:
    """The options of a worker, or of a `temporalio.worker.Replayer`, that its workflows can see.

    `spares`: sandboxes that the worker has made to try its workflows out.
    """

    workflows: tuple[type, ...]
    workflow_runner: WorkflowRunner = field(default_factory=SandboxedWorkflowRunner)
    unsandboxed_workflow_runner: WorkflowRunner = field(default_factory=UnsandboxedWorkflowRunner)
    namespace: str = "ReplayNamespace"
    data_converter: DataConverter = DataConverter.default
    interceptors: tuple[Interceptor, ...] = ()
    plugins: tuple[temporalio.worker.Plugin, ...] = ()
    workflow_failure_exception_types: tuple[type[BaseException], ...] = ()
    debug_mode: bool = False
    disable_safe_workflow_eviction: bool = False
    header_codec_behavior: HeaderCodecBehavior = HeaderCodecBehavior.NO_CODEC
    build_id: str | None = None
    identity: str | None = None
    spares: Spares = field(default_factory=dict)

    @staticmethod
    def of_worker(worker: WorkerConfig, client: ClientConfig) -> ReplaySettings:
        """Those of a worker, from the options in use of itself and of its client.

        Its plugins have had their say, so they only lend the context in which they want replays to
        run. Interceptors that leave workflows alone are left out.
        """
        from_client = [each for each in client["interceptors"] if isinstance(each, Interceptor)]
        return ReplaySettings(
            workflows=tuple(worker.get("workflows", ())),
            workflow_runner=_unwatched(worker["workflow_runner"]),
            unsandboxed_workflow_runner=_unwatched(worker["unsandboxed_workflow_runner"]),
            namespace=client["namespace"],
            data_converter=client["data_converter"],
            interceptors=tuple(
                each
                for each in [*from_client, *worker.get("interceptors", ())]
                if _sees_workflows(each)
            ),
            plugins=tuple(
                _LentContext(each) for each in worker.get("plugins", ()) if _lends_context(each)
            ),
            workflow_failure_exception_types=tuple(
                worker.get("workflow_failure_exception_types", ())
            ),
            debug_mode=worker.get("debug_mode", False),
            disable_safe_workflow_eviction=worker.get("disable_safe_workflow_eviction", False),
            header_codec_behavior=client["header_codec_behavior"],
            build_id=worker.get("build_id"),
            identity=worker.get("identity"),
            spares=spares_of(worker["workflow_runner"]),
        )

    @staticmethod
    def of_options(workflows: Sequence[type], options: dict[str, Any]) -> ReplaySettings:
        """Those that a caller names, as for `temporalio.worker.Replayer`.

        Raises `TypeError` for an option that there is not.
        """
        sequences = ("interceptors", "plugins", "workflow_failure_exception_types")
        given: dict[str, Any] = {
            name: tuple(value) if name in sequences else value for name, value in options.items()
        }
        settings = ReplaySettings(workflows=tuple(workflows), **given)
        runner = passing_test_tools(settings.workflow_runner)
        return dataclasses.replace(settings, workflow_runner=runner)

    def replayer(
        self,
        executor: ThreadPoolExecutor,
        runtime: Runtime | None = None,
        on_created: OnCreated | None = None,
        spares: Spares | None = None,
    ) -> Replayer:
        """A real `Replayer` that replays as the worker would have done.

        It takes its sandboxes from `spares` for as long as there are some.
        """
        return Replayer(
            workflows=self.workflows,
            workflow_task_executor=executor,
            workflow_runner=watched(self.workflow_runner, on_created, tries=False, spares=spares),
            unsandboxed_workflow_runner=watched(
                self.unsandboxed_workflow_runner, on_created, tries=False
            ),
            namespace=self.namespace,
            data_converter=self.data_converter,
            interceptors=self.interceptors,
            plugins=self.plugins,
            build_id=self.build_id or _BUILD_ID,
            identity=self.identity,
            workflow_failure_exception_types=self.workflow_failure_exception_types,
            debug_mode=self.debug_mode,
            runtime=runtime,
            disable_safe_workflow_eviction=self.disable_safe_workflow_eviction,
            header_codec_behavior=self.header_codec_behavior,
        )

    def is_like(self, other: ReplaySettings) -> bool:
        """Whether one `Replayer` does for both."""
        return self is other or all(
            _alike(getattr(self, name), getattr(other, name)) for name in _SEEN
        )

    def knows(self, workflow_type: str) -> bool:
        """Whether a workflow of this type is among its workflows, or a dynamic one."""
        names = {_name(workflow) for workflow in self.workflows}
        return workflow_type in names or None in names


#: The options by which two of them may differ.
_SEEN = tuple(each.name for each in dataclasses.fields(ReplaySettings) if each.name != "spares")


def _alike(one: object, other: object) -> bool:
    if isinstance(one, tuple) and isinstance(other, tuple):
        return len(one) == len(other) and all(map(_alike, one, other))
    if one is other:
        return True
    if type(one) is not type(other) or isinstance(one, type):
        return False
    if isinstance(one, (str, bool, _LentContext)) or type(one) is SandboxedWorkflowRunner:
        return one == other
    # Without a state of its own, one object of a class is as good as another.
    return isinstance(one, (Interceptor, WorkflowRunner)) and not (
        _has_state(one) or _has_state(other)
    )


def _has_state(thing: object) -> bool:
    return bool(vars(thing)) or any(vars(kind).get("__slots__") for kind in type(thing).__mro__)


def _sees_workflows(interceptor: Interceptor) -> bool:
    of_class = type(interceptor).workflow_interceptor_class
    return of_class is not Interceptor.workflow_interceptor_class


def _lends_context(plugin: temporalio.worker.Plugin) -> bool:
    """Whether it may do something about a replay. A simulation has some of its own, which do not."""
    if type(plugin).__module__.partition(".")[0] == _HERE:
        return False
    does_as_any = getattr(type(plugin), "run_replayer", None) is SimplePlugin.run_replayer
    return not does_as_any or cast(SimplePlugin, plugin).run_context is not None


def _name(workflow: type) -> str | None:
    return temporalio.workflow._Definition.must_from_class(workflow).name


class _LentContext(temporalio.worker.Plugin):
    """A plugin that has configured the worker before, and is not asked again to configure."""

    def __init__(self, plugin: temporalio.worker.Plugin) -> None:
        self._plugin = plugin

    def __eq__(self, other: object) -> bool:
        return isinstance(other, _LentContext) and other._plugin is self._plugin

    def __hash__(self) -> int:
        return id(self._plugin)

    def name(self) -> str:
        return self._plugin.name()

    def configure_worker(self, config: WorkerConfig) -> WorkerConfig:
        return config

    async def run_worker(self, worker: Any, next: Any) -> None:
        await next(worker)

    def configure_replayer(self, config: ReplayerConfig) -> ReplayerConfig:
        return config

    def run_replayer(
        self, replayer: Replayer, histories: Any, next: Any
    ) -> AbstractAsyncContextManager[Any]:
        return self._plugin.run_replayer(replayer, histories, next)


# -- runners --------------------------------------------------------------------------------------


def watched(
    runner: WorkflowRunner,
    on_created: OnCreated | None,
    *,
    tries: bool,
    spares: Spares | None = None,
) -> WorkflowRunner:
    """The same runner, but that it tells of each workflow that it makes.

    `tries`: whether it makes each once before, to see that it can, as the SDK does.
    """
    if type(runner) is SandboxedWorkflowRunner:
        # The SDK knows its own sandbox by its class, when it comes to debuggers.
        return WatchedSandbox(
            runner.restrictions,
            runner.runner_class,
            on_created,
            tries,
            {} if spares is None else spares,
        )
    return _WatchedRunner(runner, on_created, tries=tries)


def _unwatched(runner: WorkflowRunner) -> WorkflowRunner:
    if isinstance(runner, WatchedSandbox):
        return SandboxedWorkflowRunner(runner.restrictions, runner.runner_class)
    return runner.runner if isinstance(runner, _WatchedRunner) else runner


@dataclass(frozen=True)
class WatchedSandbox(SandboxedWorkflowRunner):
    """The SDK's sandbox, watched.

    To try a workflow out is to import its module, which takes milliseconds. What a worker has made
    for that, and the SDK throws away, does for a replay: it is as good as another one.
    """

    on_created: OnCreated | None = None
    tries: bool = True
    spares: Spares = field(default_factory=dict, compare=False)

    def prepare_workflow(self, defn: temporalio.workflow._Definition) -> None:
        if not self.tries:
            return
        made: list[WorkflowInstance] = []
        trying = dataclasses.replace(self, on_created=made.append)
        trying.set_worker_level_failure_exception_types(self._worker_level_failure_exception_types)
        SandboxedWorkflowRunner.prepare_workflow(trying, defn)
        self.spares[defn.cls] = made[-1]

    def create_instance(self, det: WorkflowInstanceDetails) -> WorkflowInstance:
        spare: Any = None if self.tries else self.spares.pop(det.defn.cls, None)
        instance: WorkflowInstance
        if spare is None:
            instance = QuickSandbox(det, self.runner_class, self.restrictions)
        else:
            spare.instance_details = det
            spare._create_instance()
            instance = spare
        _answer_outside(instance)
        if self.on_created is not None:
            self.on_created(instance)
        return instance


def _answer_outside(instance: WorkflowInstance) -> None:
    """Let a sandbox say whom payloads are for without being entered: that takes longer than to say.

    It is asked for every payload, and no code of the user's has a part in the answer.
    """
    inner, asked = inner_instance(instance), vars(cast(object, instance))
    if type(inner) is _WorkflowInstanceImpl:
        asked["get_serialization_context"] = inner.get_serialization_context
        asked["get_external_store_context"] = inner.get_external_store_context


def spares_of(runner: WorkflowRunner) -> Spares:
    """The sandboxes that a worker's runner has made for nothing."""
    return runner.spares if isinstance(runner, WatchedSandbox) else {}


class _WatchedRunner(WorkflowRunner):
    def __init__(
        self, runner: WorkflowRunner, on_created: OnCreated | None, *, tries: bool
    ) -> None:
        self.runner = runner
        self._on_created = on_created
        self._tries = tries

    def prepare_workflow(self, defn: temporalio.workflow._Definition) -> None:
        if self._tries:
            self.runner.prepare_workflow(defn)

    def create_instance(self, det: WorkflowInstanceDetails) -> WorkflowInstance:
        instance = self.runner.create_instance(det)
        if self._on_created is not None:
            self._on_created(instance)
        return instance

    def set_worker_level_failure_exception_types(
        self, types: Sequence[type[BaseException]]
    ) -> None:
        self.runner.set_worker_level_failure_exception_types(types)


def inner_instance(instance: WorkflowInstance) -> Any:
    """What runs a workflow's code: the workflow's event loop, within the sandbox if it has one."""
    sandbox = getattr(instance, "globals_and_locals", {}).get("__temporal_in_sandbox")
    return instance if sandbox is None else sandbox.instance


def as_thread_pool(executor: object) -> ThreadPoolExecutor:
    """The SDK names a pool of threads, and uses it as any executor."""
    return cast(ThreadPoolExecutor, executor)
