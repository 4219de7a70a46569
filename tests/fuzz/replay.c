/*
 * replay.c - runs a fuzz target over stored inputs, without libFuzzer.
 *
 *	replay FOLDER|FILE...
 *
 * Each regular file is one input, in the order of names; ends with "N inputs".
 * Exit 1 when something could not be read or nothing was found: a corpus that
 * went missing must not look like a pass.
 */
#include <dirent.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static int run_file(const char *path, size_t size)
{
	FILE *in = fopen(path, "rb");
	uint8_t *data = malloc(size ? size : 1); /* exact, so that ASan sees each byte too far */
	size_t got = in && data ? fread(data, 1, size, in) : 0;
	int failed = !in || !data || got != size;

	if (failed)
		perror(path);
	else
		LLVMFuzzerTestOneInput(data, size);
	free(data);
	if (in)
		fclose(in);
	return failed;
}

static int run(const char *path, unsigned *inputs);

static int run_folder(const char *path, unsigned *inputs)
{
	struct dirent **entries;
	int n = scandir(path, &entries, NULL, alphasort), failed = n < 0;
	char below[4096];

	if (failed)
		perror(path);
	for (int i = 0; i < n; i++) {
		snprintf(below, sizeof(below), "%s/%s", path, entries[i]->d_name);
		if (entries[i]->d_name[0] != '.')
			failed |= run(below, inputs);
		free(entries[i]);
	}
	if (n >= 0)
		free(entries);
	return failed;
}

static int run(const char *path, unsigned *inputs)
{
	struct stat st;

	if (stat(path, &st) != 0) {
		perror(path);
		return 1;
	}
	if (S_ISDIR(st.st_mode))
		return run_folder(path, inputs);
	++*inputs;
	return run_file(path, (size_t)st.st_size);
}

int main(int argc, char *argv[])
{
	unsigned inputs = 0;
	int failed = 0;

	for (int i = 1; i < argc; i++)
		failed |= run(argv[i], &inputs);
	printf("%u inputs\n", inputs);
	return failed || inputs == 0;
}
