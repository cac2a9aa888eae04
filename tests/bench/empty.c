/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Attaches the programs named on the command line out of an object file, says "ready", and keeps
 * them there until its standard input ends: empty OBJECT PROGRAM...
 */
#include <bpf/libbpf.h>
#include <stdio.h>
#include <unistd.h>

int main(int argc, char **argv)
{
	struct bpf_object *object = argc > 2 ? bpf_object__open_file(argv[1], NULL) : NULL;
	struct bpf_program *program;
	char byte;
	int i;

	if (!object) {
		fprintf(stderr, "usage: empty OBJECT PROGRAM...\n");
		return 2;
	}
	for (i = 2; i < argc; i++) {
		program = bpf_object__find_program_by_name(object, argv[i]);
		if (!program || bpf_program__set_autoload(program, true))
			return 1;
	}
	if (bpf_object__load(object))
		return 1;
	for (i = 2; i < argc; i++) {
		program = bpf_object__find_program_by_name(object, argv[i]);
		/* The link lives as long as this process. */
		if (!bpf_program__attach(program))
			return 1;
	}
	puts("ready");
	fflush(stdout);
	while (read(STDIN_FILENO, &byte, 1) > 0)
		;
	return 0;
}
