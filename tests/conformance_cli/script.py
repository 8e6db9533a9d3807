"""The scripted session: what is typed, in this order.

A command needs no pause before it: where it depends on what a worker does, an earlier command waits
for that (a query is answered after the first workflow task, `execute` and `result` after the last).
"""

from __future__ import annotations

import shlex
from typing import NamedTuple


class Step(NamedTuple):
    """One command; repeated until its output holds `until`, if that is given."""

    command: str
    until: str = ""

    @property
    def words(self) -> list[str]:
        """The arguments of `temporal`."""
        return shlex.split(self.command)


SCRIPT = (
    # The service itself.
    Step("operator cluster health"),
    Step("operator cluster health -o json"),
    Step("operator cluster system -o json"),
    Step("operator cluster describe -o json"),
    # Namespaces.
    Step("operator namespace list -o json"),
    Step("operator namespace describe -n default -o json"),
    Step(
        "operator namespace create -n made --retention 72h --description new --email a@example.com"
    ),
    Step("operator namespace create -n made"),
    Step("operator namespace create -n brief --retention 1h"),
    Step("operator namespace describe -n made -o json"),
    Step("operator namespace describe -n nowhere -o json"),
    Step("operator namespace list -o json"),
    # A run from start to end, and the ways to look at it.
    Step("""workflow start -t cli --type Greeting -w greet -i '"Ada"' --memo 'k="v"' -o json"""),
    Step("workflow result -w greet -o json"),
    Step("workflow result -w greet"),
    Step("workflow show -w greet -o json"),
    Step("workflow show -w greet"),
    Step("workflow show -w greet --follow"),
    Step("workflow show -w greet --reverse -o json"),
    Step("workflow describe -w greet -o json"),
    Step("workflow describe -w greet --reset-points -o json"),
    Step("""workflow execute -t cli --type Greeting -w greet-now -i '"Bob"' -o json"""),
    Step("""workflow execute -t cli --type Greeting -w greet-text -i '"Cy"'"""),
    Step(
        """workflow execute -t cli --type Greeting -w greet-full -i '"Di"' --task-timeout 5s"""
        """ --run-timeout 1h --execution-timeout 2h --static-summary short --static-details long"""
        """ --priority-key 2 --headers 'trace="abc"' -o json"""
    ),
    Step("workflow describe -w greet-full -o json"),
    Step("workflow show -w greet-full -o json"),
    Step("workflow execute -t cli --type Nap -w nap"),
    Step("workflow show -w nap -o json"),
    Step("workflow execute -t cli --type Refusal -w refuse -o json"),
    Step("workflow execute -t cli --type Refusal -w refuse-text"),
    Step("workflow describe -w refuse -o json"),
    # Signals and queries.
    Step("workflow start -t cli --type Approval -w approve -o json"),
    Step("workflow query -w approve --type state -o json"),
    Step("workflow query -w approve --type state"),
    Step("workflow query -w approve --type state --reject-condition not_open -o json"),
    Step("workflow query -w approve --type colour -o json"),
    Step("workflow metadata -w approve -o json"),
    Step("workflow describe -w approve -o json"),
    Step("workflow signal -w approve --name approve -i '\"Eve\"' -o json"),
    Step("workflow result -w approve -o json"),
    Step("workflow query -w approve --type state -o json"),
    Step("workflow query -w approve --type state --reject-condition not_open"),
    Step("workflow query -w approve --type state --reject-condition not_completed_cleanly -o json"),
    Step("workflow show -w approve -o json"),
    Step(
        "workflow signal-with-start -t cli --type Approval -w signalled"
        " --signal-name approve --signal-input '\"Fay\"' -o json"
    ),
    Step("workflow result -w signalled -o json"),
    Step("workflow show -w signalled -o json"),
    # One workflow id, several runs.
    Step("workflow start -t cli --type Approval -w twice -o json"),
    Step("workflow query -w twice --type state -o json"),
    Step("workflow start -t cli --type Approval -w twice --fail-existing -o json"),
    Step("workflow start -t cli --type Approval -w twice --fail-existing"),
    Step("workflow start -t cli --type Approval -w twice --id-conflict-policy Fail -o json"),
    Step("workflow start -t cli --type Approval -w twice --id-conflict-policy UseExisting -o json"),
    Step(
        "workflow start -t cli --type Approval -w twice --id-conflict-policy TerminateExisting"
        " -o json"
    ),
    Step("workflow query -w twice --type state -o json"),
    Step("workflow terminate -w twice"),
    Step(
        "workflow start -t cli --type Approval -w greet --id-reuse-policy RejectDuplicate -o json"
    ),
    Step(
        "workflow start -t cli --type Approval -w greet --fail-existing"
        " --id-reuse-policy RejectDuplicate -o json"
    ),
    Step(
        "workflow start -t cli --type Approval -w greet --fail-existing"
        " --id-reuse-policy AllowDuplicateFailedOnly -o json"
    ),
    Step(
        "workflow start -t cli --type Refusal -w refuse --fail-existing"
        " --id-reuse-policy AllowDuplicateFailedOnly -o json"
    ),
    Step("workflow result -w refuse -o json"),
    # Cancellation and termination.
    Step("workflow start -t cli --type Approval -w cancel -o json"),
    Step("workflow query -w cancel --type state -o json"),
    Step("workflow cancel -w cancel -o json"),
    Step("workflow result -w cancel -o json"),
    Step("workflow result -w cancel"),
    Step("workflow show -w cancel -o json"),
    Step("workflow describe -w cancel -o json"),
    Step("workflow start -t cli --type Approval -w terminate -o json"),
    Step("workflow query -w terminate --type state -o json"),
    Step("workflow terminate -w terminate --reason enough -o json"),
    Step("workflow result -w terminate -o json"),
    Step("workflow show -w terminate -o json"),
    Step("workflow describe -w terminate -o json"),
    # An activity that is finished from the command line.
    Step("workflow start -t cli --type Inquiry -w inquire -i '\"why\"' -o json"),
    Step("workflow describe -w inquire -o json", until="PENDING_ACTIVITY_STATE_STARTED"),
    Step("activity complete -w inquire -a other --result '\"because\"'"),
    Step("activity complete -w inquire -a ask --result '\"because\"'"),
    Step("workflow result -w inquire -o json"),
    Step("activity complete -w inquire -a ask --result '\"because\"'"),
    Step("workflow start -t cli --type Inquiry -w inquire-in-vain -i '\"why\"' -o json"),
    Step("workflow describe -w inquire-in-vain -o json", until="PENDING_ACTIVITY_STATE_STARTED"),
    Step("activity fail -w inquire-in-vain -a ask --reason unknown --detail '\"x\"'"),
    Step("workflow result -w inquire-in-vain -o json"),
    Step("workflow show -w inquire-in-vain -o json"),
    # An activity and a run that are held up for a while.
    Step("workflow start -t cli --type Inquiry -w held -i '\"why\"' -o json"),
    Step("workflow describe -w held -o json", until="PENDING_ACTIVITY_STATE_STARTED"),
    Step("activity pause -w held -a ask --reason lunch --identity Ada"),
    Step("activity pause -w held -a ask"),
    Step("activity pause -w held -a other"),
    Step("workflow describe -w held -o json"),
    Step(
        "activity update-options -w held -a ask --heartbeat-timeout 10m --retry-maximum-attempts 2"
        " -o json"
    ),
    Step("activity update-options -w held -a ask --heartbeat-timeout -1s"),
    Step("activity reset -w held -a ask --keep-paused --restore-original-options"),
    Step("workflow describe -w held -o json"),
    Step("activity unpause -w held -a ask"),
    Step("activity unpause -w held -a other"),
    Step("activity reset -w held -a other"),
    Step("workflow pause -w held --reason lunch"),
    Step("workflow pause -w held --reason lunch"),
    Step("workflow describe -w held -o json"),
    Step("workflow query -w held --type state"),
    Step("workflow unpause -w held --reason enough"),
    Step("workflow unpause -w held"),
    Step("workflow pause -w absent"),
    Step("activity complete -w held -a ask --result '\"because\"'"),
    Step("workflow result -w held -o json"),
    Step("workflow show -w held -o json"),
    Step("activity pause -w held -a ask"),
    # Finding runs, and what to find them by.
    Step("operator search-attribute create --name Colour --type Keyword"),
    Step("operator search-attribute create --name Colour --type Keyword"),
    Step("operator search-attribute create --name Size --type Int --name Weight --type Double"),
    Step("operator search-attribute create --name WorkflowId --type Keyword"),
    Step("operator search-attribute list -o json"),
    Step(
        "workflow start -t nobodys --type Greeting -w found"
        " --search-attribute 'Colour=\"red\"' --search-attribute Size=5 -o json"
    ),
    Step("""workflow count -q "Colour = 'red'" """, until="Total: 1"),
    Step("""workflow count -q "Colour = 'red'" -o json"""),
    Step("""workflow list -q "Colour = 'red' AND Size > 4" -o json"""),
    Step("""workflow list -q "Colour IN ('green', 'blue')" -o json"""),
    Step("""workflow list -q "WorkflowId = 'refuse' OR WorkflowId = 'twice'" -o json"""),
    Step("""workflow list -q "WorkflowId STARTS_WITH 'greet-'" --limit 2 -o json"""),
    Step("""workflow list -q "WorkflowId STARTS_WITH 'greet-'" --page-size 1 -o json"""),
    Step("""workflow count -q "WorkflowId = 'refuse' GROUP BY ExecutionStatus" -o json"""),
    Step("""workflow count -q "WorkflowId = 'refuse' GROUP BY ExecutionStatus" """),
    Step("workflow list -q 'Colour = red'"),
    Step("workflow list -q 'Colour = 5' -o json"),
    Step("""workflow list -q "Shape = 'round'" """),
    Step("""workflow list -q "Colour = 'red' ORDER BY Size" """),
    Step("workflow list -q 'Colour ='"),
    Step("workflow count -q 'and'"),
    Step("workflow delete -w found --yes"),
    Step("""workflow count -q "Colour = 'red'" """, until="Total: 0"),
    Step("workflow describe -w found"),
    Step("workflow delete -w found --yes"),
    Step("operator search-attribute remove --name Size --name Weight --yes"),
    Step("operator search-attribute remove --name Shape --yes"),
    Step("operator search-attribute remove --name WorkflowId --yes"),
    Step("operator search-attribute list -o json"),
    Step("workflow list -q 'Size = 5'"),
    # Going back to where a run was.
    Step("workflow start -t cli --type Approval -w again -o json"),
    Step("workflow query -w again --type state -o json"),
    Step("workflow signal -w again --name approve -i '\"Gil\"'"),
    Step("workflow result -w again -o json"),
    Step("workflow reset -w again -t LastWorkflowTask --reason 'too early'"),
    Step("workflow result -w again -o json"),
    Step("workflow show -w again -o json"),
    Step("workflow reset -w again -t FirstWorkflowTask --reason retry -o json"),
    Step("workflow result -w again -o json"),
    Step("workflow show -w again -o json"),
    Step("workflow reset -w again -e 4 --reapply-exclude Signal --reason 'ask again'"),
    Step("workflow query -w again --type state -o json"),
    Step("workflow describe -w again -o json"),
    Step("workflow describe -w again --reset-points -o json"),
    Step("workflow reset -w again -e 4 --reapply-exclude All --reason 'and again' -o json"),
    Step("workflow query -w again --type state -o json"),
    Step("workflow show -w again -o json"),
    Step("workflow reset -w again -e 2 --reason 'within a change'"),
    Step("workflow reset -w again -e 99 --reason 'to come'"),
    Step("workflow reset -w again -t LastContinuedAsNew --reason 'never did'"),
    Step("workflow reset -w again -t BuildId --build-id unknown --reason 'no such build'"),
    Step("workflow reset -w again --reason 'nowhere to go'"),
    Step("workflow reset -w again -t FirstWorkflowTask"),
    Step("workflow reset -w absent -t FirstWorkflowTask --reason 'not there'"),
    Step("workflow reset -w again -r not-a-run-id -e 4 --reason 'not there'"),
    Step(
        "workflow reset with-workflow-update-options -w again -e 4 --reason moved"
        " --versioning-override-behavior auto_upgrade -o json"
    ),
    Step("workflow query -w again --type state -o json"),
    Step("workflow describe -w again -o json"),
    Step("workflow update-options -w again --versioning-override-behavior unspecified -o json"),
    Step("workflow update-options -w again --versioning-override-behavior auto_upgrade"),
    Step(
        "workflow update-options -w again --versioning-override-behavior pinned"
        " --versioning-override-deployment-name shop --versioning-override-build-id 1"
    ),
    Step("workflow update-options -w absent --versioning-override-behavior auto_upgrade"),
    Step("workflow show -w again -o json"),
    Step("workflow terminate -w again"),
    # Many runs at once.
    Step("workflow start -t cli --type Approval -w batch-1 -o json"),
    Step("workflow query -w batch-1 --type state -o json"),
    Step("workflow start -t cli --type Approval -w batch-2 -o json"),
    Step("workflow query -w batch-2 --type state -o json"),
    Step("""workflow count -q "WorkflowId STARTS_WITH 'batch-'" """, until="Total: 2"),
    Step("batch list -o json"),
    Step(
        """workflow signal -q "WorkflowId = 'batch-1'" --name approve -i '"Hal"' --reason new -y"""
    ),
    Step("workflow result -w batch-1 -o json"),
    Step("workflow show -w batch-1 -o json"),
    Step("batch list -o json", until="BATCH_OPERATION_STATE_COMPLETED"),
    Step("batch list"),
    Step("""workflow terminate -q "WorkflowId STARTS_WITH 'batch-'" --reason enough -y -o json"""),
    Step("workflow result -w batch-2"),
    Step("""workflow reset -q "WorkflowId = 'batch-1'" -t LastWorkflowTask --reason better -y"""),
    Step("""workflow count -q "WorkflowId = 'batch-1'" """, until="Total: 2"),
    Step("workflow result -w batch-1 -o json"),
    Step("workflow start -t cli --type Approval -w batch-3 -o json"),
    Step("workflow query -w batch-3 --type state -o json"),
    Step("""workflow count -q "WorkflowId = 'batch-3'" """, until="Total: 1"),
    Step("""workflow cancel -q "WorkflowId = 'batch-3'" --reason enough -y -o json"""),
    Step("workflow result -w batch-3"),
    Step("""workflow delete -q "WorkflowId STARTS_WITH 'batch-'" --reason enough -y"""),
    Step("""workflow count -q "WorkflowId STARTS_WITH 'batch-'" """, until="Total: 0"),
    Step("workflow terminate -q 'Colour =' --reason enough -y"),
    Step("workflow terminate -q \"WorkflowId = 'batch-1'\" -w batch-1 --reason enough -y"),
    Step("batch describe --job-id absent -o json"),
    Step("batch terminate --job-id absent --reason enough"),
    # Task queues.
    Step("task-queue describe -t cli -o json"),
    Step("task-queue describe -t cli --task-queue-type workflow -o json"),
    Step("task-queue describe -t cli --task-queue-type activity --disable-stats -o json"),
    Step("task-queue describe -t cli --legacy-mode -o json"),
    Step("task-queue describe -t cli --legacy-mode --task-queue-type-legacy activity -o json"),
    Step("task-queue describe -t unpolled -o json"),
    Step("task-queue describe -t unpolled --legacy-mode -o json"),
    # What cannot be done.
    Step("workflow describe -w absent -o json"),
    Step("workflow show -w absent"),
    Step("workflow show -w absent -o json"),
    Step("workflow result -w absent"),
    Step("workflow signal -w absent --name approve"),
    Step("workflow query -w absent --type state"),
    Step("workflow cancel -w absent"),
    Step("workflow terminate -w absent"),
    Step("workflow signal -w greet --name approve"),
    Step("workflow cancel -w greet"),
    Step("workflow terminate -w greet"),
    Step("workflow describe -w greet -r not-a-run-id"),
    Step("workflow describe -w greet -r 11111111-2222-4333-8444-555555555555"),
    Step("workflow query -w greet -r 11111111-2222-4333-8444-555555555555 --type state"),
    Step("workflow describe -w greet -n nowhere"),
    Step("workflow start -t cli --type Greeting -w lost -n nowhere"),
    Step("workflow start -t cli --type Greeting -w lost -i '{not json'"),
    Step("workflow start -t cli --type Greeting -w lost --search-attribute 'Unknown=\"x\"'"),
    Step("workflow start --type Greeting -w lost"),
    Step("workflow start -t cli --type Greeting -w lost --id-reuse-policy Sometimes"),
    # Last, as its time is long to come.
    Step("workflow start -t unpolled --type Greeting -w late --start-delay 1h -o json"),
    Step("workflow describe -w late -o json"),
    Step("workflow query -w late --type state"),
    Step("task-queue describe -t unpolled -o json"),
    Step("workflow terminate -w late"),
    Step("workflow show -w late -o json"),
)
