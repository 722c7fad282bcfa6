#!/bin/sh
# Octavia's agent as it is packaged, in an amphora that is two namespaces: octavia-agent.sh DIRECTORY, in a mount namespace of its own. DIRECTORY/lib becomes
# /var/lib/octavia and DIRECTORY/etc /etc/octavia; systemd, which amphorae have, is played by octavia-agent-service.sh beside this file.
set -eu
directory=$1 here=$(dirname "$0")
mkdir -p "$directory/bin" "$directory/lib" "$directory/etc/interfaces" "$directory/units"
mount --make-rprivate /
for path in /var/lib/octavia /etc/octavia /usr/lib/systemd/system; do mkdir -p "$path"; done
mount --bind "$directory/lib" /var/lib/octavia
mount --bind "$directory/etc" /etc/octavia
mount --bind "$directory/units" /usr/lib/systemd/system
mount -t tmpfs tmpfs /var/log
mount --bind "$here/octavia-agent-service.sh" /usr/sbin/service
mount --bind /bin/true "$(readlink -f /usr/bin/systemctl)"
echo systemd > "$directory/init"
mount --bind "$directory/init" /proc/1/comm
# As diskimage-builder's element writes it into the image.
printf 'global\n    group nogroup\n' > /var/lib/octavia/haproxy-default-user-group.conf
# Of the package octavia-agent, for UDP listeners; the rest of the agent is in octavia-common and python3-octavia.
command -v octavia-agent-lvs-masquerade > /dev/null || ln -s /bin/true "$directory/bin/octavia-agent-lvs-masquerade"
export PATH="$directory/bin:$PATH"
cd /
exec /usr/bin/python3 "$here/octavia-agent.py" --config-file /etc/octavia/amphora-agent.conf
