/* SPDX-License-Identifier: Apache-2.0 */
#include "base/keys.h"

#include <stdio.h>
#include <string.h>

static bool is_word(char c)
{
	return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
	    ((unsigned char)c & 0x80);
}

static char lower(char c)
{
	return c >= 'A' && c <= 'Z' ? (char)(c | 0x20) : c;
}

/* Where a key's text goes; at == size means that it did not fit. */
struct writer {
	char *out;
	size_t at, size;
};

static void put(struct writer *writer, char c)
{
	if (writer->at + 1 < writer->size)
		writer->out[writer->at++] = c;
	else
		writer->at = writer->size;
}

static size_t finish(struct writer *writer)
{
	if (writer->size == 0)
		return 0;
	if (writer->at >= writer->size)
		writer->at = 0;
	writer->out[writer->at] = '\0';
	return writer->at;
}

/* "[0]" and "[name]" are plain segments; what would read differently without its brackets keeps them. */
static bool needs_brackets(const char *name, size_t length)
{
	for (size_t i = 0; i < length; i++)
		if (!is_word(name[i]) && name[i] != '-' && name[i] != '_')
			return true;
	return length == 0;
}

/* `key` stands on '['; the character behind the segment, or NULL without a closing bracket. */
static const char *put_bracketed(struct writer *writer, const char *key)
{
	const char *end = strchr(key, ']');
	bool kept;

	if (!end)
		return NULL;
	kept = needs_brackets(key + 1, (size_t)(end - key - 1));
	if (writer->at)
		put(writer, '.');
	if (kept)
		put(writer, '[');
	for (const char *c = key + 1; c < end; c++)
		if (kept || is_word(*c))
			put(writer, lower(*c));
	if (kept)
		put(writer, ']');
	return end + 1;
}

size_t rv__key_uniform(const char *key, char *out, size_t size)
{
	struct writer writer = {.out = out, .size = size};
	bool separated = false;

	while (*key) {
		if (*key == '[') {
			if (!(key = put_bracketed(&writer, key)))
				return 0;
			separated = true;
			continue;
		}
		if (*key == '.') {
			separated = true;
		} else if (*key != '"' && *key != '-' && *key != '_') {
			if (separated && writer.at)
				put(&writer, '.');
			separated = false;
			put(&writer, lower(*key));
		}
		key++;
	}
	return finish(&writer);
}

size_t rv__key_squash(const char *key, char *out, size_t size)
{
	struct writer writer = {.out = out, .size = size};

	for (; *key; key++)
		if (is_word(*key))
			put(&writer, lower(*key));
	return finish(&writer);
}

bool rv__key_equal(const char *a, const char *b)
{
	char uniform_a[RV__KEY_MAX];
	char uniform_b[RV__KEY_MAX];

	return rv__key_uniform(a, uniform_a, sizeof uniform_a) &&
	    rv__key_uniform(b, uniform_b, sizeof uniform_b) && strcmp(uniform_a, uniform_b) == 0;
}

bool rv__key_join(char *out, size_t size, const char *prefix, const char *name, const char *suffix)
{
	bool bracketed = needs_brackets(name, strlen(name));
	int length = snprintf(out, size, "%s%s%s%s%s%s%s", prefix, *prefix ? "." : "", bracketed ? "[" : "",
	    name, bracketed ? "]" : "", suffix ? "." : "", suffix ? suffix : "");

	if (length >= 0 && (size_t)length < size)
		return true;
	if (size)
		*out = '\0';
	return false;
}

size_t rv__key_segment(const char *key)
{
	size_t start = *key == '"';
	const char *end;

	if (key[start] == '[' && (end = strchr(key, ']')))
		return (size_t)(end - key) + 1 + (start && end[1] == '"');
	return strcspn(key, ".[");
}

const char *rv__key_plain(const char *key, size_t *ret_length)
{
	size_t length = rv__key_segment(key);

	while (length && (*key == '"' || *key == '[')) {
		key++;
		length--;
	}
	while (length && (key[length - 1] == '"' || key[length - 1] == ']'))
		length--;
	*ret_length = length;
	return key;
}

enum { WORD_MAX = 160 };

/* Optimal string alignment over three rows of the table. */
size_t rv__key_distance(const char *a, const char *b)
{
	size_t rows[3][WORD_MAX + 1];
	size_t length_a = strlen(a);
	size_t length_b = strlen(b);
	size_t *before = rows[0];
	size_t *above = rows[1];
	size_t *row = rows[2];

	if (length_a > WORD_MAX || length_b > WORD_MAX)
		return WORD_MAX;
	for (size_t j = 0; j <= length_b; j++)
		above[j] = j;
	for (size_t i = 1; i <= length_a; i++) {
		size_t *spare = before;

		row[0] = i;
		for (size_t j = 1; j <= length_b; j++) {
			size_t best = above[j - 1] + (a[i - 1] != b[j - 1]);

			if (above[j] + 1 < best)
				best = above[j] + 1;
			if (row[j - 1] + 1 < best)
				best = row[j - 1] + 1;
			if (i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1] &&
			    before[j - 2] + 1 < best)
				best = before[j - 2] + 1;
			row[j] = best;
		}
		before = above;
		above = row;
		row = spare;
	}
	return above[length_b];
}

const char *rv__key_nearest(const char *word, const char *const *words, size_t count)
{
	/* A third of the word may be wrong; more is another word. */
	size_t best = strlen(word) / 3 + 1;
	const char *found = NULL;

	for (size_t i = 0; i < count; i++) {
		size_t distance = rv__key_distance(word, words[i]);

		if (distance <= best && (!found || distance < best)) {
			best = distance;
			found = words[i];
		}
	}
	return found;
}
