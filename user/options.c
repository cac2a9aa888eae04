/* SPDX-License-Identifier: Apache-2.0 */
#include "options.h"

#include <errno.h>
#include <getopt.h>
#include <string.h>

struct flag {
	const char *name;
	const char *value; /* what --help calls it; NULL: takes none */
	const char *key;   /* of the configuration, that it sets; NULL: none */
	size_t offset;	   /* of its text in struct options */
	enum options_action action;
	const char *meaning;
};

#define TEXT(member) .offset = offsetof(struct options, member)

static const struct flag flags[] = {
	{ .name = "config",
	  .value = "FILE",
	  TEXT(config),
	  .meaning = "read the configuration from FILE" },
	{ .name = "listen",
	  .value = "ADDR:PORT",
	  .key = "listen",
	  TEXT(listen),
	  .meaning = "serve /metrics and /health there" },
	{ .name = "backend",
	  .value = "NAME",
	  .key = "backend",
	  TEXT(backend),
	  .meaning = "attach by: auto, tracepoint, fexit" },
	{ .name = "log-level",
	  .value = "LEVEL",
	  .key = "log_level",
	  TEXT(log_level),
	  .meaning = "log from: debug, info, warning, error, critical" },
	{ .name = "version", .action = ACTION_VERSION, .meaning = "print the version" },
	{ .name = "help", .action = ACTION_HELP, .meaning = "print this" },
};

#define FLAGS (sizeof(flags) / sizeof(flags[0]))

static const char **text_of(struct options *options, const struct flag *flag)
{
	return (const char **)((char *)options + flag->offset);
}

static int apply(const struct options *options, struct config *config, char *error, size_t size)
{
	struct options copy = *options;
	char expected[256];
	size_t i;
	int err;

	for (i = 0; i < FLAGS; i++) {
		const char *text = flags[i].value ? *text_of(&copy, &flags[i]) : NULL;

		if (!text || !flags[i].key)
			continue;
		err = config_set(config, flags[i].key, text, expected, sizeof(expected));
		if (err) {
			snprintf(error, size, "--%s: %s", flags[i].name, expected);
			return err;
		}
	}
	return 0;
}

static int read_flag(int code, char **argv, struct options *options, char *error, size_t size)
{
	const char letter[] = { '-', (char)optopt, '\0' };
	const struct flag *flag;

	if (code == ':' || code == '?') {
		snprintf(error, size, "%s: %s", optopt > (int)FLAGS ? letter : argv[optind - 1],
			 code == ':'			    ? "a value is missing" :
			 optopt == 0 || optopt > (int)FLAGS ? "no such flag, see --help" :
							      "takes no value");
		return -EINVAL;
	}
	flag = &flags[code - 1];
	if (flag->value)
		*text_of(options, flag) = optarg;
	else if (options->action != ACTION_HELP)
		options->action = flag->action;
	return 0;
}

static int read_words(int count, char **words, struct options *options, char *error, size_t size)
{
	if (count > 0 && strcmp(words[0], "check") == 0) {
		if (options->action == ACTION_RUN)
			options->action = ACTION_CHECK;
		count--;
		words++;
	}
	if (count == 0)
		return 0;
	snprintf(error, size, "%s: no such command, see --help", words[0]);
	return -EINVAL;
}

int options_parse(int argc, char **argv, struct options *ret, char *error, size_t size)
{
	struct option table[FLAGS + 1] = { { NULL, 0, NULL, 0 } };
	struct options options = { .action = ACTION_RUN };
	struct config scratch = { .backend = BACKEND_AUTO };
	size_t i;
	int code, err;

	for (i = 0; i < FLAGS; i++)
		table[i] = (struct option){ flags[i].name,
					    flags[i].value ? required_argument : no_argument, NULL,
					    (int)i + 1 };
	optind = 0; /* glibc: begin anew */
	opterr = 0;
	while ((code = getopt_long(argc, argv, ":", table, NULL)) != -1) {
		err = read_flag(code, argv, &options, error, size);
		if (err)
			return err;
	}
	err = read_words(argc - optind, argv + optind, &options, error, size);
	if (!err)
		err = apply(&options, &scratch, error, size);
	if (!err)
		*ret = options;
	return err;
}

int options_config(const struct options *options, struct config *ret, char *error, size_t size)
{
	struct config config;
	int err = config_load(options->config, &config, error, size);

	if (err)
		return err;
	err = apply(options, &config, error, size);
	if (err)
		config_free(&config);
	else
		*ret = config;
	return err;
}

void options_help(FILE *out)
{
	char synopsis[64];
	size_t i;

	fprintf(out, "usage: onlooker [FLAG]...        observe until SIGTERM; SIGHUP rereads FILE\n"
		     "       onlooker check [FLAG]...  tell what this kernel and these privileges "
		     "allow\n\nflags, which win over the configuration file:\n");
	for (i = 0; i < FLAGS; i++) {
		snprintf(synopsis, sizeof(synopsis), "--%s%s%s", flags[i].name,
			 flags[i].value ? " " : "", flags[i].value ? flags[i].value : "");
		fprintf(out, "  %-22s %s\n", synopsis, flags[i].meaning);
	}
	fprintf(out,
		"\nkeys of the configuration file, a JSON object (a.b is b in the object a):\n");
	config_describe(out);
}
