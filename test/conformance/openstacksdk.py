"""
What a script does with openstacksdk's load balancer proxy: every method it has. Each story stands on those before it. Prints a JSON object a
line: {"story": ..., "error": null or what failed, and where}. Takes its clouds, `ottavia` and `ottavia-demo`, from OS_CLIENT_CONFIG_FILE.
"""
import json
import traceback

import openstack
from openstack import exceptions
from openstack.load_balancer.v2 import _proxy

called = set()
stories = []


def story(function):
    stories.append(function)
    return function


def recorded(proxy):
    """Remembers which of the proxy's methods were called."""
    for name in methods():
        method = getattr(proxy, name)

        def call(*args, _method=method, _name=name, **kwargs):
            called.add(_name)
            return _method(*args, **kwargs)

        setattr(proxy, name, call)
    return proxy


def methods():
    return [name for name, member in vars(_proxy.Proxy).items() if callable(member) and not name.startswith('_')]


admin_cloud = openstack.connect(cloud='ottavia')
demo_cloud = openstack.connect(cloud='ottavia-demo')
admin = recorded(admin_cloud.load_balancer)
lb = recorded(demo_cloud.load_balancer)
subnet = demo_cloud.network.find_subnet('private-subnet')


def active(name='sdk'):
    return lb.wait_for_load_balancer(name, status='ACTIVE', failures=['ERROR'], interval=0.02, wait=30)


def names(objects):
    return sorted(thing.name for thing in objects)


def equal(found, expected):
    assert found == expected, f'{found!r} is not {expected!r}'


def refused(kind, call, *words):
    try:
        call()
    except kind as error:
        for word in words:
            assert word in str(error), f'{word!r} is not in {error}'
    else:
        raise AssertionError(f'not refused: {words}')


@story
def load_balancers():
    made = lb.create_load_balancer(name='sdk', description='first', vip_subnet_id=subnet.id, tags=['a', 'b'])
    equal((made.provisioning_status, made.updated_at, made.listeners), ('PENDING_CREATE', None, []))
    equal(active().id, made.id)
    equal(lb.find_load_balancer('sdk').vip_address, made.vip_address)
    equal(lb.find_load_balancer(made.id).name, 'sdk')
    equal(lb.get_load_balancer(made.id).tags, ['a', 'b'])
    equal(lb.find_load_balancer('nothing'), None)
    refused(exceptions.ResourceNotFound, lambda: lb.get_load_balancer('nothing'), 'Load Balancer nothing not found.')
    refused(exceptions.ResourceNotFound, lambda: lb.find_load_balancer('nothing', ignore_missing=False))
    lb.update_load_balancer(made, description='second', is_admin_state_up=False)
    shown = active()
    equal((shown.description, shown.is_admin_state_up, shown.availability_zone, shown.flavor_id), ('second', False, None, None))
    assert shown.updated_at is not None
    lb.update_load_balancer(made.id, is_admin_state_up=True)
    stats = lb.get_load_balancer_statistics(active().id)
    equal((stats.active_connections, stats.bytes_in, stats.total_connections), (0, 0, 0))


@story
def a_name_that_two_have_is_nobodys():
    twins = [lb.create_load_balancer(name='twin', vip_subnet_id=subnet.id) for _ in range(2)]
    refused(exceptions.DuplicateResource, lambda: lb.find_load_balancer('twin'))
    for twin in twins:
        active(twin.id)
        lb.delete_load_balancer(twin.id)


@story
def tags():
    with_tags = lambda **query: names(lb.load_balancers(**query))
    equal(with_tags(tags='a,b'), ['sdk'])
    equal((with_tags(any_tags='b,c'), with_tags(any_tags='c')), (['sdk'], []))
    equal((with_tags(name='sdk', not_tags='a,b'), with_tags(name='sdk', not_tags='a,c')), ([], ['sdk']))
    equal((with_tags(name='sdk', not_any_tags='b,c'), with_tags(name='sdk', not_any_tags='c')), ([], ['sdk']))
    lb.update_load_balancer(lb.find_load_balancer('sdk'), tags=['c'])
    equal(active().tags, ['c'])


@story
def listeners():
    balancer = active()
    made = lb.create_listener(
        name='l1', load_balancer_id=balancer.id, protocol='HTTP', protocol_port=80, allowed_cidrs=['198.18.0.0/24'], insert_headers={'X-Forwarded-For': 'true'}
    )
    active()
    shown = lb.get_listener(made)
    equal((shown.load_balancers, shown.connection_limit, shown.default_pool_id), ([{'id': balancer.id}], -1, None))
    equal((shown.timeout_client_data, shown.timeout_member_connect, shown.timeout_tcp_inspect), (50000, 5000, 0))
    equal((shown.insert_headers, shown.allowed_cidrs, shown.sni_container_refs), ({'X-Forwarded-For': 'true'}, ['198.18.0.0/24'], []))
    equal(lb.find_listener('l1').id, made.id)
    lb.update_listener(made, connection_limit=7, allowed_cidrs=None)
    active()
    equal((lb.get_listener(made.id).connection_limit, lb.get_listener(made.id).allowed_cidrs), (7, None))
    equal(names(lb.listeners(load_balancer_id=balancer.id, protocol='HTTP', protocol_port=80, is_admin_state_up=True)), ['l1'])
    equal(lb.get_listener_statistics(made.id).request_errors, 0)
    refused(
        exceptions.ConflictException,
        lambda: lb.create_listener(load_balancer_id=balancer.id, protocol='HTTP', protocol_port=80),
        'Another Listener on this Load Balancer is already using protocol HTTP and protocol_port 80',
    )
    lb.create_listener(name='l2', load_balancer_id=balancer.id, protocol='TCP', protocol_port=81)
    active()
    lb.delete_listener(lb.find_listener('l2'))
    active()
    lb.delete_listener('nothing')
    equal(names(lb.listeners()), ['l1'])


@story
def pools():
    listener = lb.find_listener('l1')
    made = lb.create_pool(name='p1', listener_id=listener.id, protocol='HTTP', lb_algorithm='ROUND_ROBIN', session_persistence={'type': 'HTTP_COOKIE'})
    active()
    shown = lb.get_pool(made.id)
    equal((shown.listeners, shown.members, shown.health_monitor_id), ([{'id': listener.id}], [], None))
    equal(shown.session_persistence['type'], 'HTTP_COOKIE')
    lb.update_pool(made, lb_algorithm='LEAST_CONNECTIONS', session_persistence=None)
    active()
    equal((lb.find_pool('p1').lb_algorithm, lb.find_pool('p1').session_persistence), ('LEAST_CONNECTIONS', None))
    lb.create_pool(name='p2', loadbalancer_id=active().id, protocol='HTTP', lb_algorithm='SOURCE_IP')
    active()
    equal(names(lb.pools(lb_algorithm='SOURCE_IP')), ['p2'])
    lb.delete_pool(lb.find_pool('p2'))
    active()
    equal(names(lb.pools()), ['p1'])


@story
def members_page_by_page():
    pool = lb.find_pool('p1')
    for number in range(5):
        lb.create_member(pool, name=f'm{number}', address=f'198.18.0.{60 + number}', protocol_port=80, weight=number, subnet_id=subnet.id)
        active()
    equal(names(lb.members(pool, limit=2)), ['m0', 'm1', 'm2', 'm3', 'm4'])
    equal(names(lb.members(pool.id, weight=3)), ['m3'])
    member = lb.find_member('m4', pool)
    equal((member.address, member.protocol_port, member.operating_status), ('198.18.0.64', 80, 'NO_MONITOR'))
    equal(lb.get_member(member.id, pool.id).weight, 4)
    lb.update_member(member, pool, weight=9, backup=True, monitor_port=8080)
    active()
    changed = lb.get_member(member, pool)
    equal((changed.weight, changed.backup, changed.monitor_port), (9, True, 8080))
    lb.delete_member(member, pool)
    active()
    equal(names(lb.members(pool)), ['m0', 'm1', 'm2', 'm3'])


@story
def health_monitors():
    pool = lb.find_pool('p1')
    made = lb.create_health_monitor(
        name='h1', pool_id=pool.id, type='HTTP', delay=5, timeout=3, max_retries=4, http_method='HEAD', url_path='/up', expected_codes='200-204'
    )
    active()
    shown = lb.get_health_monitor(made)
    equal((shown.pools, shown.max_retries_down, shown.expected_codes), ([{'id': pool.id}], 3, '200-204'))
    equal(lb.get_pool(pool.id).health_monitor_id, made.id)
    lb.update_health_monitor(made, delay=6, max_retries_down=None)
    active()
    found = lb.find_health_monitor('h1')
    equal((found.delay, found.max_retries_down), (6, 3))
    equal(names(lb.health_monitors(type='HTTP')), ['h1'])
    lb.delete_health_monitor(found)
    active()
    equal(names(lb.health_monitors()), [])


@story
def policies_and_rules():
    listener = lb.find_listener('l1')
    policy = lb.create_l7_policy(name='o1', listener_id=listener.id, action='REDIRECT_TO_URL', redirect_url='http://example.org/', position=1)
    active()
    equal((lb.get_l7_policy(policy).rules, lb.find_l7_policy('o1').redirect_url), ([], 'http://example.org/'))
    lb.update_l7_policy(policy, redirect_url='http://example.com/')
    active()
    equal([found.redirect_url for found in lb.l7_policies(action='REDIRECT_TO_URL')], ['http://example.com/'])

    rule = lb.create_l7_rule(policy, type='HEADER', compare_type='EQUAL_TO', key='X-Team', value='a')
    active()
    equal((lb.get_l7_rule(rule, policy).key, lb.find_l7_rule(rule.id, policy).invert), ('X-Team', False))
    lb.update_l7_rule(rule, policy, rule_value='b', invert=True)
    active()
    equal([(found.rule_value, found.invert) for found in lb.l7_rules(policy, type='HEADER')], [('b', True)])
    lb.delete_l7_rule(rule, policy)
    active()
    equal(list(lb.l7_rules(policy.id)), [])
    lb.delete_l7_policy(policy)
    active()
    equal(list(lb.l7_policies()), [])


@story
def providers():
    assert 'amphora' in names(lb.providers())
    assert 'loadbalancer_topology' in names(admin.provider_flavor_capabilities('amphora'))


@story
def flavors():
    profile = admin.create_flavor_profile(name='fp', provider_name='amphora', flavor_data='{"loadbalancer_topology": "SINGLE"}')
    equal(admin.get_flavor_profile(profile.id).provider_name, 'amphora')
    admin.update_flavor_profile(profile, flavor_data='{"loadbalancer_topology": "ACTIVE_STANDBY"}')
    equal(admin.find_flavor_profile('fp').flavor_data, '{"loadbalancer_topology": "ACTIVE_STANDBY"}')
    equal(names(admin.flavor_profiles(provider_name='amphora')), ['fp'])
    flavor = admin.create_flavor(name='pair', flavor_profile_id=profile.id, is_enabled=True)
    equal((lb.get_flavor(flavor.id).is_enabled, lb.find_flavor('pair').id), (True, flavor.id))
    admin.update_flavor(flavor, description='two amphorae')
    equal([found.description for found in lb.flavors(name='pair')], ['two amphorae'])
    refused(exceptions.HttpException, lambda: lb.create_flavor(name='mine', flavor_profile_id=profile.id), 'Policy does not allow')
    admin.delete_flavor(flavor)
    admin.delete_flavor_profile(profile)
    equal((list(lb.flavors()), list(admin.flavor_profiles())), ([], []))


@story
def availability_zones():
    profile = admin.create_availability_zone_profile(name='zp', provider_name='amphora', availability_zone_data='{"compute_zone": "one"}')
    equal(admin.get_availability_zone_profile(profile.id).name, 'zp')
    admin.update_availability_zone_profile(profile, availability_zone_data='{"compute_zone": "two"}')
    equal(admin.find_availability_zone_profile('zp').availability_zone_data, '{"compute_zone": "two"}')
    equal(names(admin.availability_zone_profiles()), ['zp'])
    admin.create_availability_zone(name='z1', availability_zone_profile_id=profile.id)
    equal((lb.get_availability_zone('z1').name, lb.find_availability_zone('z1').is_enabled), ('z1', True))
    admin.update_availability_zone('z1', description='first')
    equal([found.description for found in lb.availability_zones()], ['first'])
    admin.delete_availability_zone('z1')
    admin.delete_availability_zone_profile(profile)
    equal(list(lb.availability_zones()), [])


@story
def quotas():
    project = demo_cloud.current_project_id
    equal((admin.get_quota_default().load_balancers, lb.get_quota(project).pools), (-1, -1))
    equal(admin.update_quota(project, load_balancers=2, pools=5).pools, 5)
    equal([(quota.project_id, quota.load_balancers, quota.pools) for quota in admin.quotas() if quota.project_id == project], [(project, 2, 5)])
    admin.delete_quota(project)
    equal(lb.get_quota(project).load_balancers, -1)


@story
def amphorae_and_failovers():
    balancer = active()
    [amphora] = admin.amphorae(loadbalancer_id=balancer.id)
    equal((amphora.status, amphora.role), ('ALLOCATED', 'STANDALONE'))
    equal((admin.get_amphora(amphora.id).ha_ip, admin.find_amphora(amphora.id).ha_port_id), (balancer.vip_address, balancer.vip_port_id))
    admin.configure_amphora(amphora.id)
    active()
    admin.failover_amphora(amphora.id)
    active()
    [second] = admin.amphorae(loadbalancer_id=balancer.id)
    assert second.id != amphora.id
    admin.failover_load_balancer(balancer.id)
    active()
    [third] = admin.amphorae(loadbalancer_id=balancer.id)
    assert third.id != second.id


@story
def one_request_for_a_whole_tree_and_one_to_delete_it():
    refused(exceptions.BadRequestException, lambda: lb.delete_load_balancer(active()), 'it has children')
    lb.create_load_balancer(
        name='tree',
        vip_subnet_id=subnet.id,
        listeners=[{'protocol': 'HTTP', 'protocol_port': 80, 'default_pool': {'name': 'p', 'protocol': 'HTTP', 'lb_algorithm': 'ROUND_ROBIN'}}],
    )
    equal((len(active('tree').listeners), len(active('tree').pools)), (1, 1))
    for name in ('tree', 'sdk'):
        lb.delete_load_balancer(active(name), cascade=True)
    for _ in openstack.utils.iterate_timeout(30, 'the load balancers are still there', wait=0.02):
        if not list(lb.load_balancers()):
            break
    equal((list(lb.listeners()), list(lb.pools())), ([], []))
    lb.delete_load_balancer('sdk')


@story
def no_method_was_left_out():
    equal(sorted(set(methods()) - called), [])


for each in stories:
    error = None
    try:
        each()
    except Exception as failure:
        lines = [frame.lineno for frame in traceback.extract_tb(failure.__traceback__) if frame.filename == __file__]
        error = f'lines {lines}: {failure!r} {failure}'
    print(json.dumps({'story': each.__name__.replace('_', ' '), 'error': error}), flush=True)
