"""The real octavia-api on loopback, as its octavia.conf says, over a new SQLite file: octavia-api.py PORT CONF."""
import sys
import warnings
from wsgiref.simple_server import WSGIRequestHandler, make_server

warnings.simplefilter('ignore')
port, conf = int(sys.argv[1]), sys.argv[2]
sys.argv = ['octavia-api', '--config-file', conf]

from octavia.api import app  # noqa: E402
from octavia.common import constants  # noqa: E402
from octavia.db import api, base_models, models  # noqa: E402

application = app.setup_app(argv=sys.argv)
base_models.BASE.metadata.create_all(api.get_engine())
session = api.get_session()
for names, model in (
    (constants.SUPPORTED_PROVISIONING_STATUSES, models.ProvisioningStatus),
    (constants.SUPPORTED_OPERATING_STATUSES, models.OperatingStatus),
    (constants.SUPPORTED_PROTOCOLS, models.Protocol),
    (constants.SUPPORTED_LB_ALGORITHMS, models.Algorithm),
    (constants.SUPPORTED_LB_TOPOLOGIES, models.LBTopology),
    (constants.SUPPORTED_HEALTH_MONITOR_TYPES, models.HealthMonitorType),
    (constants.SUPPORTED_SP_TYPES, models.SessionPersistenceType),
    (constants.SUPPORTED_L7RULE_TYPES, models.L7RuleType),
    (constants.SUPPORTED_L7RULE_COMPARE_TYPES, models.L7RuleCompareType),
    (constants.SUPPORTED_L7POLICY_ACTIONS, models.L7PolicyAction),
    (constants.SUPPORTED_CLIENT_AUTH_MODES, models.ClientAuthenticationMode),
    (constants.SUPPORTED_AMPHORA_ROLES, models.AmphoraRoles),
):
    for name in names:
        with session.begin():
            session.merge(model(name=name))


class Quiet(WSGIRequestHandler):
    def log_message(self, *_):
        pass


server = make_server('127.0.0.1', port, application, handler_class=Quiet)
print('ready', flush=True)
server.serve_forever()
