/** What the project needs of Debian: the package, a program or file by which its presence is seen, and why. */

const running = [
  { package: 'haproxy', provides: 'haproxy', why: 'the proxy in every amphora' },
  { package: 'keepalived', provides: 'keepalived', why: 'moves the VIP between the two amphorae of a pair' },
  { package: 'nftables', provides: 'nft', why: 'the walls between tenants, amphorae and this host' },
  { package: 'iproute2', provides: 'ip', why: 'bridges, interfaces and namespaces' },
  { package: 'conntrack', provides: 'conntrack', why: 'ends the flows of members that left' },
  { package: 'bubblewrap', provides: 'bwrap', why: "the amphorae's own root" },
  { package: 'iputils-ping', provides: 'ping', why: 'PING health monitors' },
]

const testing = [
  { package: 'postgresql', provides: '/usr/lib/postgresql', why: 'the tests run on PostgreSQL too' },
  { package: 'python3-openstackclient', provides: 'openstack', why: 'the tests drive us by the real client' },
  { package: 'python3-octaviaclient', provides: '/usr/lib/python3/dist-packages/octaviaclient', why: "the client's loadbalancer commands" },
  {
    package: 'python3-barbicanclient',
    provides: '/usr/lib/python3/dist-packages/barbicanclient',
    why: "the client's secret and acl commands",
  },
  { package: 'python3-neutronclient', provides: 'neutron', why: "the older client's lbaas-* commands, forwarded to us" },
  { package: 'python3-keystone', provides: 'keystone-wsgi-public', why: 'the tests validate tokens with a real Keystone' },
  { package: 'octavia-api', provides: 'octavia-api', why: 'the tests ask the real API what they ask ours' },
  { package: 'python3-octavia', provides: '/usr/lib/python3/dist-packages/octavia', why: "the real API's code" },
  { package: 'curl', provides: 'curl', why: 'the tests ask load balancers as a user does' },
  { package: 'openssl', provides: 'openssl', why: 'the tests look at certificates with it' },
]

/** All services of a real OpenStack, with their database and message queue. */
const cloud = [
  { package: 'mariadb-server', provides: 'mariadbd', why: "the services' database" },
  { package: 'rabbitmq-server', provides: '/usr/lib/rabbitmq', why: 'by which the services talk' },
  { package: 'python3-pymysql', provides: '/usr/lib/python3/dist-packages/pymysql', why: "the services' way to the database" },
  { package: 'uwsgi-plugin-python3', provides: 'uwsgi_python3', why: 'serves Keystone, Placement and Barbican' },
  { package: 'keystone', provides: '/etc/keystone', why: 'says who is who' },
  { package: 'glance-api', provides: 'glance-api', why: 'keeps images' },
  { package: 'placement-api', provides: 'placement-api', why: 'Nova asks it for hosts' },
  { package: 'neutron-server', provides: 'neutron-server', why: 'networks and ports' },
  { package: 'nova-api', provides: 'nova-api', why: 'machines' },
  { package: 'nova-conductor', provides: 'nova-conductor', why: 'machines' },
  { package: 'nova-scheduler', provides: 'nova-scheduler', why: 'chooses hosts' },
  { package: 'nova-compute', provides: 'nova-compute', why: 'runs machines' },
  { package: 'barbican-api', provides: 'barbican-wsgi-api', why: "keeps users' secrets" },
]

const measuring = [{ package: 'wrk', provides: 'wrk', why: 'makes the load of the data plane bench, faster than what it measures' }]

const imaging = [
  { package: 'mmdebstrap', provides: 'mmdebstrap', why: "makes the amphora image's root of Debian's packages" },
  { package: 'squashfs-tools', provides: 'mksquashfs', why: "the amphora image's read-only root" },
  { package: 'mtools', provides: 'mcopy', why: "fills the amphora image's boot partition" },
  { package: 'syslinux', provides: 'syslinux', why: "the amphora image's boot loader" },
  { package: 'syslinux-common', provides: '/usr/lib/syslinux/mbr/mbr.bin', why: "the first sector of the amphora image's disk" },
  { package: 'e2fsprogs', provides: 'mke2fs', why: 'the partition for what an amphora writes' },
  { package: 'fdisk', provides: 'sfdisk', why: "the amphora image's partitions" },
  { package: 'qemu-utils', provides: 'qemu-img', why: 'the image in the format that Glance takes' },
  { package: 'qemu-system-x86', provides: 'qemu-system-x86_64', why: 'the tests boot the image' },
  { package: 'xorriso', provides: 'xorriso', why: "the tests make config drives, as Nova's are" },
  { package: 'dnsmasq-base', provides: 'dnsmasq', why: "the tests tell the image's machines their addresses" },
  { package: 'openssh-client', provides: 'ssh', why: 'the tests log in where an image allows it' },
  { package: 'python3-minimal', provides: 'python3', why: 'the tests speak SCTP by themselves' },
]

/** Real virtual machines in that OpenStack, with networks that are wired and guarded as in a cloud. */
const virtualMachines = [
  { package: 'neutron-linuxbridge-agent', provides: 'neutron-linuxbridge-agent', why: "wires machines' ports and guards them" },
  { package: 'neutron-dhcp-agent', provides: 'neutron-dhcp-agent', why: 'gives machines their addresses' },
  { package: 'nova-compute-kvm', provides: '/usr/share/doc/nova-compute-kvm', why: "Nova's own driver of libvirt" },
  { package: 'libvirt-daemon-system', provides: 'libvirtd', why: 'runs machines for Nova' },
  { package: 'libvirt-clients', provides: 'virsh', why: 'shows what runs' },
  { package: 'genisoimage', provides: 'genisoimage', why: "writes Nova's config drives" },
  { package: 'ipset', provides: 'ipset', why: 'addresses of security groups' },
]

export const packagesFor = {
  start: running,
  test: [...running, ...testing],
  openstack: [...running, ...testing, ...cloud],
  bench: [...running, ...measuring],
  image: [...running, ...imaging],
  'image-openstack': [...running, ...testing, ...cloud, ...imaging, ...virtualMachines],
}
