/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "check.h"
#include "daemon.h"
#include "options.h"
#include "version.h"

static void print_version(void)
{
	printf("onlooker %s (%s)\n", ONLOOKER_VERSION, ONLOOKER_REVISION);
}

static int refuse(const char *error)
{
	fprintf(stderr, "onlooker: %s\n", error);
	return OPTIONS_EXIT;
}

static int act(const struct options *options)
{
	char error[1024] = "";
	struct config config;
	int status;

	if (options_config(options, &config, error, sizeof(error)))
		return refuse(error);
	if (options->action == ACTION_CHECK) {
		status = check_run(stdout, config.backend, NULL);
		config_free(&config);
		return status;
	}
	log_set_level(config.log_level);
	/* Takes the configuration over. */
	if (daemon_run(options, &config, error, sizeof(error)))
		return refuse(error);
	return 0;
}

/* What is opened later must not be taken for a standard stream that was closed. */
static void open_standard(void)
{
	int fd;

	do
		fd = open("/dev/null", O_RDWR);
	while (fd >= 0 && fd <= STDERR_FILENO);
	if (fd >= 0)
		close(fd);
}

int main(int argc, char **argv)
{
	struct options options;
	char error[1024];

	open_standard();
	signal(SIGPIPE, SIG_IGN);
	if (options_parse(argc, argv, &options, error, sizeof(error)))
		return refuse(error);
	switch (options.action) {
	case ACTION_HELP:
		options_help(stdout);
		return 0;
	case ACTION_VERSION:
		print_version();
		return 0;
	default:
		return act(&options);
	}
}
