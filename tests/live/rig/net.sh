# SPDX-License-Identifier: Apache-2.0
# Hosts in network namespaces on a switch that is a namespace, too: nothing is added to the
# machine's own. To be read by a script that has set net, a name of its own.
#
# net_up N       hosts ${net}1 to ${net}N at 10.79.0.1 to .N; 77, as for a test that cannot be
#                had: no namespace can be made here
# net_cut I      host I can reach nobody; net_mend I
# net_down       all of it is gone

net_up() {
	local i
	ip netns add "${net}sw" 2>/dev/null || return 77
	ip -n "${net}sw" link set lo up
	ip -n "${net}sw" link add br0 type bridge stp_state 0 forward_delay 0
	ip -n "${net}sw" link set br0 up
	for i in $(seq 1 "$1"); do
		ip netns add "$net$i"
		ip -n "$net$i" link set lo up
		ip -n "${net}sw" link add "p$i" type veth peer name eth0 netns "$net$i"
		ip -n "${net}sw" link set "p$i" master br0 up
		ip -n "$net$i" addr add "10.79.0.$i/24" dev eth0
		ip -n "$net$i" link set eth0 up
	done
}

net_cut() { ip -n "${net}sw" link set "p$1" nomaster; }

net_mend() { ip -n "${net}sw" link set "p$1" master br0; }

net_down() {
	local name
	for name in $(ip netns list 2>/dev/null | awk '{print $1}' | grep -E "^$net(sw|[0-9]+)$"); do
		ip netns del "$name"
	done
}
