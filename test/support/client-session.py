"""
One of Debian's command-line clients, kept running: starting it costs more than most of its commands.

    client-session.py openstack|neutron

Reads a JSON list of arguments a line and writes, a line each, {"status": ..., "stdout": ..., "stderr": ...}; for {"describe": "lbaas-"}
the commands whose names begin so, each with its options. The client is what is installed, but for its prompt and the length of its pauses.
"""
import argparse
import io
import json
import sys
import time

answers = sys.stdout
LONGEST_PAUSE_S = 0.05


def load(name):
    if name == 'neutron':
        from neutronclient.shell import NEUTRON_API_VERSION, NeutronShell

        return NeutronShell, [NEUTRON_API_VERSION]
    from openstackclient.shell import OpenStackShell

    return OpenStackShell, []


def serve(shell):
    for line in sys.stdin:
        out, err = io.StringIO(), io.StringIO()
        sys.stdout = shell.stdout = out
        errors.target = err
        asked = json.loads(line)
        try:
            if isinstance(asked, dict):
                status = json.dump(describe(shell, asked['describe']), out)
            else:
                status = shell.run_subcommand(asked)
        except SystemExit as ended:
            status = ended.code
        except Exception as refused:
            # What a wrong option ends in where the prompt would have gone on.
            status = 2
            err.write(str(refused))
        json.dump({'status': status or 0, 'stdout': out.getvalue(), 'stderr': err.getvalue()}, answers)
        answers.write('\n')
        answers.flush()


def describe(shell, prefix):
    """The options that are the command's own: not its help, nor how its answer is printed."""
    described = {}
    for name, _ in shell.command_manager:
        if name.startswith(prefix):
            factory, _, _ = shell.command_manager.find_command(name.split())
            parser = factory(shell, shell.options).get_parser(name)
            printing = {action.dest for group in parser._action_groups if 'formatter' in (group.title or '').lower() for action in group._group_actions}
            described[name] = [
                action.option_strings
                for action in parser._actions
                if action.option_strings
                and action.dest not in printing
                and action.help != argparse.SUPPRESS
                and not isinstance(action, (argparse._HelpAction, argparse._VersionAction))
            ]
    return described


class Errors(io.TextIOBase):
    """Log handlers keep the stream that they began with, so it is one whose end can be moved."""

    target = sys.stderr

    def write(self, text):
        return self.target.write(text)


errors = sys.stderr = Errors()
pause = time.sleep
# Between two looks at an object: three seconds would be all that the tests do.
time.sleep = lambda seconds: pause(min(seconds, LONGEST_PAUSE_S))
Shell, arguments = load(sys.argv[1])


class Session(Shell):
    def interact(self):
        serve(self)
        return 0


sys.exit(Session(*arguments).run([]))
