// SPDX-License-Identifier: LGPL-2.1-or-later
/* rules_network: which interface is which network card, in a guest that was made by hand. */
#include "tests/unit/test.h"

#include "tests/support/guest_model.h"

/* Does one of the sentences say `part`? */
static bool says(char *const *list, const char *part)
{
	strv_foreach (s, list)
		if (strstr(*s, part))
			return true;
	return false;
}

static const char link192[] = "/etc/systemd/network/10-wherry-ens192.link";

static void an_interface_keeps_its_name_by_slot_and_mac(void **state)
{
	static const struct {
		const char *path, *text;
	} configs[] = {
		{"/etc/network/interfaces",
			"auto lo\niface lo inet loopback\nallow-hotplug ens192\n"
			"iface ens192 inet static\n\taddress 192.0.2.1\n"},
		{"/etc/systemd/network/a.network",
			"[Match]\nName=ens192\n[Network]\nDHCP=yes\n"},
		{"/etc/netplan/a.yaml",
			"network:\n  version: 2\n  ethernets:\n    ens192:\n"
			"      addresses: [192.0.2.1/24]\n      x: 1\n  bonds:\n    ens7: {}\n"},
		{"/etc/NetworkManager/system-connections/x",
			"[connection]\ninterface-name=ens192\n"},
	};

	for (unsigned i = 0; i < ARRAY_SIZE(configs); i++) {
		struct model m;
		const char *text;

		model_init(&m);
		model_file(&m, configs[i].path, configs[i].text);
		model_plan(&m);
		text = model_after(&m, link192);
		assert_non_null(text);
		assert_non_null(strstr(text, "[Match]\nMACAddress=00:50:56:00:00:01\n"));
		assert_non_null(strstr(text, "[Link]\nName=ens192\n"));
		assert_int_equal(m.p->n_nics, 1);
		assert_string_equal(m.p->nics[0].mac, "00:50:56:00:00:01");
		assert_string_equal(m.p->nics[0].name, "ens192");
		assert_false(m.p->nics[0].new_mac);
		assert_null(m.p->todo);
		model_done(&m);
	}
}

static void two_interfaces_are_told_apart_by_their_slots(void **state)
{
	struct vm_nic *nic;
	struct model m;

	model_init(&m);
	nic = vmspec_add_nic(m.vm);
	nic->mac = xstrdup("00:50:56:00:00:02");
	nic->pci_slot = 160;
	model_file(&m, "/etc/network/interfaces",
		"auto ens192 ens160\niface ens160 inet dhcp\niface ens192 inet dhcp\n");
	model_plan(&m);
	assert_non_null(strstr(model_after(&m, link192), "00:00:01"));
	assert_non_null(strstr(
		model_after(&m, "/etc/systemd/network/10-wherry-ens160.link"), "00:00:02"));
	model_done(&m);
}

static void an_ambiguous_interface_is_a_todo_not_a_guess(void **state)
{
	struct model m;

	model_init(&m);
	model_file(&m, "/etc/network/interfaces", "auto ens224\nauto eth1\n");
	model_plan(&m);
	assert_int_equal(m.p->n_nics, 0);
	assert_true(says(m.p->todo, "interface ens224"));
	assert_true(says(m.p->todo, "interface eth1"));
	model_done(&m);
}

static void a_single_interface_without_a_slot_is_the_single_nic(void **state)
{
	struct model m;

	model_init(&m);
	m.vm->nics[0].pci_slot = 0;
	model_file(&m, "/etc/network/interfaces", "iface ens33 inet dhcp\n");
	model_plan(&m);
	assert_non_null(model_edit(&m, "/etc/systemd/network/10-wherry-ens33.link"));
	model_done(&m);
}

static void a_name_that_is_tied_to_the_mac_already_needs_no_file(void **state)
{
	static const struct {
		const char *path, *text;
	} ties[] = {
		{"/etc/systemd/network/5.link",
			"[Match]\nMACAddress=00:50:56:00:00:01\n[Link]\nName=ens192\n"},
		{"/etc/udev/rules.d/70-persistent-net.rules",
			"SUBSYSTEM==\"net\", ATTR{address}==\"00:50:56:00:00:01\", NAME=\"ens192\"\n"},
		{"/etc/netplan/b.yaml",
			"network:\n  ethernets:\n    ens192:\n      match:\n        macaddress: "
			"00:50:56:00:00:01\n      set-name: ens192\n"},
	};

	for (unsigned i = 0; i < ARRAY_SIZE(ties); i++) {
		struct model m;

		model_init(&m);
		model_file(&m, "/etc/network/interfaces", "iface ens192 inet dhcp\n");
		model_file(&m, ties[i].path, ties[i].text);
		model_plan(&m);
		assert_null(model_edit(&m, link192));
		assert_int_equal(m.p->n_nics, 1);
		model_done(&m);
	}
}

static void a_tie_needs_no_newline_at_its_end_and_may_have_blanks(void **state)
{
	static const char *const texts[] = {
		"[Match]\nMACAddress=00:50:56:00:00:01\n[Link]\nName=ens192",
		"[Match]\r\nMACAddress=00:50:56:00:00:01\r\n[Link]\r\nName = ens192\r\n"};

	for (unsigned i = 0; i < ARRAY_SIZE(texts); i++) {
		struct model m;

		model_init(&m);
		model_file(&m, "/etc/network/interfaces", "iface ens192 inet dhcp\n");
		model_file(&m, "/etc/systemd/network/5.link", texts[i]);
		model_plan(&m);
		assert_null(model_edit(&m, link192));
		assert_null(m.p->todo);
		model_done(&m);
	}
}

static void a_link_file_that_gives_no_name_is_no_tie_and_becomes_a_todo(void **state)
{
	static const char *const texts[] = {
		"[Match]\nOriginalName=ens192\n[Link]\nMACAddress=00:50:56:00:00:01\n",
		"[Match]\nMACAddress=00:50:56:00:00:01\n[Link]\nMTUBytes=9000\n",
		"[Match]\nMACAddress=00:50:56:00:00:01\n[Link]\n#Name=ens192\n"};

	for (unsigned i = 0; i < ARRAY_SIZE(texts); i++) {
		struct model m;

		model_init(&m);
		model_file(&m, "/etc/network/interfaces", "iface ens192 inet dhcp\n");
		model_file(&m, "/etc/systemd/network/5-mtu.link", texts[i]);
		model_plan(&m);
		assert_non_null(model_edit(&m, link192));
		assert_true(says(m.p->todo, "/etc/systemd/network/5-mtu.link is for the same"));
		model_done(&m);
	}
}

static void ports_of_bridges_and_bonds_keep_their_names(void **state)
{
	static const char *const texts[] = {
		"iface br0 inet static\n  address 192.0.2.1/24\n  bridge_ports ens192\n",
		"iface bond0 inet dhcp\n\tbond-slaves ens192\n",
		"iface vlan5 inet dhcp\n\tvlan-raw-device ens192\n"};

	for (unsigned i = 0; i < ARRAY_SIZE(texts); i++) {
		struct model m;

		model_init(&m);
		model_file(&m, "/etc/network/interfaces", texts[i]);
		model_plan(&m);
		assert_non_null(model_edit(&m, link192));
		model_done(&m);
	}
}

static void a_nic_without_a_mac_gets_the_same_one_each_time(void **state)
{
	struct model m;
	char *first;

	model_init(&m);
	free(STEAL(m.vm->nics[0].mac));
	m.vm->name = xstrdup("web01");
	model_file(&m, "/etc/network/interfaces", "iface ens192 inet dhcp\n");
	model_plan(&m);
	assert_true(m.p->nics[0].new_mac);
	assert_true(starts_with(m.p->nics[0].mac, "52:54:00:"));
	first = xstrdup(m.p->nics[0].mac);
	assert_non_null(strstr(model_after(&m, link192), first));
	model_plan(&m);
	assert_string_equal(m.p->nics[0].mac, first);
	m.vm->name[0] = 'x';
	model_plan(&m);
	assert_string_not_equal(m.p->nics[0].mac, first);
	free(first);
	model_done(&m);
}

static void a_nic_without_a_mac_takes_the_one_its_name_is_tied_to(void **state)
{
	static const char tied[] =
		"[Match]\nMACAddress=00:50:56:AA:00:09\n[Link]\nName=ens192\n";
	static const char other[] =
		"[Match]\nMACAddress=00:50:56:aa:00:0a\n[Link]\nName=ens192\n";
	struct model m;

	model_init(&m);
	free(STEAL(m.vm->nics[0].mac));
	model_file(&m, "/etc/network/interfaces", "iface ens192 inet dhcp\n");
	model_file(&m, "/etc/systemd/network/5.link", tied);
	model_plan(&m);
	assert_int_equal(m.p->n_nics, 1);
	assert_string_equal(m.p->nics[0].mac, "00:50:56:aa:00:09");
	assert_false(m.p->nics[0].new_mac);
	assert_null(model_edit(&m, link192));
	model_file(&m, "/etc/systemd/network/6.link", other);
	model_plan(&m);
	assert_true(m.p->nics[0].new_mac); /* two addresses: none is chosen */
	model_done(&m);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(an_interface_keeps_its_name_by_slot_and_mac),
		cmocka_unit_test(two_interfaces_are_told_apart_by_their_slots),
		cmocka_unit_test(an_ambiguous_interface_is_a_todo_not_a_guess),
		cmocka_unit_test(a_single_interface_without_a_slot_is_the_single_nic),
		cmocka_unit_test(a_name_that_is_tied_to_the_mac_already_needs_no_file),
		cmocka_unit_test(a_tie_needs_no_newline_at_its_end_and_may_have_blanks),
		cmocka_unit_test(a_link_file_that_gives_no_name_is_no_tie_and_becomes_a_todo),
		cmocka_unit_test(ports_of_bridges_and_bonds_keep_their_names),
		cmocka_unit_test(a_nic_without_a_mac_gets_the_same_one_each_time),
		cmocka_unit_test(a_nic_without_a_mac_takes_the_one_its_name_is_tied_to),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
