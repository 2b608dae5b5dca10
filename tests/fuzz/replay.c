/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Runs a fuzz target over every file of its corpus, as a plain test: `fuzz_frame DIR…` prints one
 * TAP case a file. A crash or a sanitizer's report ends the program, which meson counts as failed.
 */
#include "tests/fuzz/target.h"

#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { INPUT_MAX = 1 << 20 };

static int cases;

static void replay_file(const char *directory, const char *name)
{
	char path[4096];
	uint8_t *bytes;
	size_t length;
	FILE *file;

	snprintf(path, sizeof path, "%s/%s", directory, name);
	if (!(file = fopen(path, "rb"))) {
		printf("not ok %d - %s: cannot be read\n", ++cases, name);
		return;
	}
	bytes = malloc(INPUT_MAX);
	length = bytes ? fread(bytes, 1, INPUT_MAX, file) : 0;
	fclose(file);
	/* An exact block, so that the address sanitizer sees the first byte read behind the input. */
	if (bytes && length)
		bytes = realloc(bytes, length);
	if (bytes) {
		LLVMFuzzerTestOneInput(bytes, length);
		printf("ok %d - %s\n", ++cases, name);
	}
	fflush(stdout);
	free(bytes);
}

static int replay_directory(const char *directory)
{
	struct dirent **entries;
	int count = scandir(directory, &entries, NULL, alphasort);

	for (int i = 0; i < count; i++) {
		if (entries[i]->d_name[0] != '.')
			replay_file(directory, entries[i]->d_name);
		free(entries[i]);
	}
	if (count >= 0)
		free(entries);
	return count;
}

int main(int argc, char **argv)
{
	/* The empty input is always worth a case. */
	LLVMFuzzerTestOneInput((const uint8_t *)"", 0);
	printf("ok %d - empty input\n", ++cases);
	for (int i = 1; i < argc; i++)
		if (replay_directory(argv[i]) < 3)
			printf("not ok %d - %s: no corpus\n", ++cases, argv[i]);
	printf("1..%d\n", cases);
	return 0;
}
