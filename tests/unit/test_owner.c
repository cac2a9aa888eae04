/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include <errno.h>
#include <string.h>

#include "capture/cgroup.h"
#include "capture/owner.h"
#include "util/clock.h"

#define CID "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"
#define UID "11223344-5566-7788-99aa-bbccddeeff00"
#define UID_ "11223344_5566_7788_99aa_bbccddeeff00"

static void owned(const char *cgroups, const char *service, const char *container, const char *pod)
{
	struct owner owner;

	owner_read(cgroups, &owner);
	if (strcmp(owner.service, service) || strcmp(owner.container, container) ||
	    strcmp(owner.pod, pod))
		fail_msg("%s\n  service '%s' container '%s' pod '%s'", cgroups, owner.service,
			 owner.container, owner.pod);
}

static void test_services(void **state)
{
	(void)state;
	owned("", "", "", "");
	owned("0::/\n", "", "", "");
	owned("0::/init.scope\n", "", "", "");
	owned("0::/system.slice/nginx.service\n", "nginx", "", "");
	owned("0::/system.slice/system-postgresql.slice/postgresql@15-main.service\n",
	      "postgresql@15-main", "", "");
	owned("0::/system.slice/nginx.service/workers\n", "nginx", "", "");
	owned("0::/system.slice/my\\x2dshop.service", "my-shop", "", "");
	owned("0::/user.slice/user-1000.slice/session-3.scope\n", "", "", "");
	owned("0::/user.slice/user-1000.slice/user@1000.service/init.scope\n", "", "", "");
	owned("0::/user.slice/user-1000.slice/user@1000.service/app.slice/shop.service\n", "shop",
	      "", "");
	owned("12:memory:/\n9:name=systemd:/system.slice/redis.service\n0::/\n", "redis", "", "");
	owned("0::/system.slice/.service\n", "", "", "");
}

static void test_containers(void **state)
{
	(void)state;
	owned("0::/kubepods/pod" UID "/" CID "\n", "", CID, UID);
	owned("0::/kubepods/besteffort/pod" UID "/" CID "\n", "", CID, UID);
	owned("0::/../../../besteffort/pod" UID "/" CID "\n", "", CID, UID);
	owned("5:memory:/system.slice/containerd.service/kubepods/burstable/pod" UID "/" CID "\n"
	      "0::/system.slice/containerd.service\n",
	      "", CID, UID);
	owned("0::/system.slice/containerd.service\n5:memory:/kubepods/pod" UID "/" CID "\n", "",
	      CID, UID);
	owned("0::/kubepods.slice/kubepods-burstable.slice/kubepods-burstable-pod" UID_
	      ".slice/cri-containerd-" CID ".scope\n",
	      "", CID, UID);
	owned("0::/kubepods.slice/kubepods-pod" UID_ ".slice/crio-" CID ".scope\n", "", CID, UID);
	owned("0::/system.slice/kubepods-besteffort-pod" UID_ ".slice:cri-containerd:" CID "\n", "",
	      CID, UID);
	owned("0::/kubepods/burstable/pod00112233445566778899aabbccddeeff/" CID "\n", "", CID,
	      "00112233445566778899aabbccddeeff");
	/* systemd within a pod's container: the pod owns it. */
	owned("0::/kubepods/pod" UID "/" CID "/system.slice/app.service\n", "", CID, UID);
	owned("0::/docker/" CID "\n", "", CID, "");
	owned("0::/system.slice/docker-" CID ".scope\n", "", CID, "");
	/* a node that is itself a container: its services, and the pods in it */
	owned("0::/docker/" CID "/system.slice/kubelet.service\n", "kubelet", "", "");
	owned("0::/docker/" CID "/kubelet/kubepods/pod" UID "/" CID "\n", "", CID, UID);
	owned("0::/podracer/tripod-1/0123\n", "", "", "");
	owned("0::/podaaaa/" CID "x\n", "", "", "");
}

/* A path as seen from a cgroup namespace's root. */
static void resolved(const char *base, const char *path, const char *expected)
{
	char got[64];

	assert_true(cgroup_resolve(base, path, got, sizeof(got)));
	assert_string_equal(got, expected);
	assert_true(cgroup_resolve(base, path, got, strlen(base) + strlen(path) + 2));
	assert_false(cgroup_resolve(base, path, got, strlen(expected)));
}

static void test_namespaces(void **state)
{
	(void)state;
	resolved("", "/", "/");
	resolved("", "/a/b", "/a/b");
	resolved("/a/b", "/", "/a/b");
	resolved("/a/b", "/c", "/a/b/c");
	resolved("/a/b", "/..", "/a");
	resolved("/a/b", "/../c", "/a/c");
	resolved("/a/b", "/../..", "/");
	resolved("/a/b", "/../../c/d", "/c/d");
	resolved("/a/b", "/..c", "/a/b/..c");
	/* Higher than the base is known from. */
	resolved("/a", "/../../c", "/../c");
	resolved("/a", "/../../../c", "/../../c");
}

/* Processes that are gone already may be many, and so may be the machine's mounts. */
static void test_mounts_looked_at_once(void **state)
{
	struct cgroup_mount mounts[CGROUP_MOUNTS];
	uint64_t begin = clock_now(), mounting, looking;
	char path[256];
	int i;

	(void)state;
	for (i = 0; i < 100; i++)
		cgroup_mounts(mounts, CGROUP_MOUNTS);
	mounting = clock_now() - begin;
	begin = clock_now();
	for (i = 0; i < 100; i++)
		assert_int_equal(cgroup_path(UINT64_MAX, path, sizeof(path)), -ENOENT);
	looking = clock_now() - begin;
	assert_true(looking < mounting / 2);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_services),
		cmocka_unit_test(test_containers),
		cmocka_unit_test(test_namespaces),
		cmocka_unit_test(test_mounts_looked_at_once),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
