"""Octavia's amphora driver against the agent that PLACE (JSON) names: octavia-driver.py CONF PLACE. Prints what it got, as JSON."""
import json
import os
import sys
import time
import warnings

warnings.simplefilter('ignore')
from oslo_config import cfg  # noqa: E402

from octavia.common import config  # noqa: E402

place = json.loads(sys.argv[2])
config.init(['--config-file', sys.argv[1]])

from octavia.amphorae.drivers.haproxy import rest_api_driver  # noqa: E402
from octavia.amphorae.drivers.health import heartbeat_udp  # noqa: E402
from octavia.common import constants, data_models  # noqa: E402
from octavia.network import data_models as network_models  # noqa: E402

ACTIVE = constants.ACTIVE
amphora = data_models.Amphora(
    id=place['id'], lb_network_ip=place['lb_network_ip'], vrrp_ip=place['vrrp_ip'], ha_ip=place['vip'], status=constants.AMPHORA_ALLOCATED,
    role=constants.ROLE_MASTER, vrrp_interface='eth1', vrrp_id=1, vrrp_priority=100)
load_balancer = data_models.LoadBalancer(
    id=place['load_balancer'], project_id='p', topology=constants.TOPOLOGY_ACTIVE_STANDBY, enabled=True, provisioning_status=ACTIVE,
    vip=data_models.Vip(ip_address=place['vip']), amphorae=[amphora], listeners=[],
    vrrp_group=data_models.VRRPGroup(vrrp_group_name='g', vrrp_auth_type='PASS', vrrp_auth_pass='pass', advert_int=1))
amphora.load_balancer = load_balancer
pool = data_models.Pool(
    id=place['pool'], protocol='HTTP', lb_algorithm='ROUND_ROBIN', enabled=True, provisioning_status=ACTIVE, operating_status='ONLINE',
    load_balancer=load_balancer, listeners=[])
pool.members = [data_models.Member(
    id=place['member'], pool_id=pool.id, ip_address=place['member_address'], protocol_port=80, weight=1, backup=False, enabled=True,
    provisioning_status=ACTIVE, operating_status='NO_MONITOR')]
listener = data_models.Listener(
    id=place['listener'], protocol='HTTP', protocol_port=80, default_pool=pool, default_pool_id=pool.id, connection_limit=500, enabled=True,
    provisioning_status=ACTIVE, load_balancer=load_balancer, load_balancer_id=load_balancer.id, insert_headers={}, timeout_client_data=5000,
    timeout_member_connect=1000, timeout_member_data=5000, timeout_tcp_inspect=0, pools=[pool], peer_port=1025, l7policies=[], sni_containers=[],
    allowed_cidrs=[])
pool.listeners = [listener]
load_balancer.listeners = [listener]
load_balancer.pools = [pool]
network = network_models.Network(id='n', mtu=1450)
port = network_models.Port(id='port', mac_address=place['mac_address'], network=network, fixed_ips=[])
subnet = network_models.Subnet(id='s', cidr=place['cidr'], gateway_ip=place['gateway'], host_routes=[])
networks = {amphora.id: network_models.AmphoraNetworkConfig(
    amphora=amphora, vip_subnet=subnet, vrrp_port=port, vrrp_subnet=subnet, additional_vip_data=[])}

driver = rest_api_driver.HaproxyAmphoraLoadBalancerDriver()
said = {'info': driver.get_info(amphora)}
said['details'] = driver.clients['1.0'].get_details(amphora)
driver.post_vip_plug(amphora, load_balancer, networks)
# A second time, as a flow that was interrupted does.
driver.post_vip_plug(amphora, load_balancer, networks)
said['interface'] = driver.get_interface_from_ip(amphora, place['vrrp_ip'])
driver.update_vrrp_conf(load_balancer, networks, amphora)
driver.update_amphora_listeners(load_balancer, amphora)
driver.start(load_balancer, amphora)
driver.start_vrrp_service(amphora)
client = driver.clients['1.0']
said['listeners'] = client.get_all_listeners(amphora)
client.upload_cert_pem(amphora, load_balancer.id, 'a.pem', place['pem'].encode())
said['md5'] = client.get_cert_md5sum(amphora, load_balancer.id, 'a.pem')
client.delete_cert_pem(amphora, load_balancer.id, 'a.pem')
driver.upload_cert_amp(amphora, place['server_pem'].encode())
driver.update_amphora_agent_config(amphora, place['agent_config'])
getter = heartbeat_udp.UDPStatusGetter()
deadline = time.monotonic() + 15
heartbeat, address = None, None
while time.monotonic() < deadline:
    try:
        heartbeat, address = getter.dorecv()
    except TimeoutError:
        continue
    if heartbeat['listeners'] and heartbeat['pools']:
        break
said['heartbeat'] = heartbeat
said['heartbeat_from'] = address
print('SAID ' + json.dumps(said, default=str))
sys.stdout.flush()

# The getter has processes of its own, which nobody gives work.
os._exit(0)
