/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Readers of configuration text, .properties and YAML, behind one sink. They know no
 * layers and no meaning: they tell keys, values and lines in the order of the file.
 */
#ifndef BASE_PROPERTIES_H
#define BASE_PROPERTIES_H

#include <stddef.h>

/* Receives what a reader finds. All text is borrowed until return; lines count from 1, 0: the whole file. */
struct rv__properties_sink {
	void (*property)(void *arg, int line, const char *key, const char *value);
	/* A new document begins: "#---" in .properties, "---" in YAML. Not told for the first one. */
	void (*document)(void *arg, int line);
	/* What cannot be read, with its cure; reading goes on where it can. */
	void (*fault)(void *arg, int line, const char *text);
	void *arg;
};

/**
 * Reads Java's .properties to the letter (java.util.Properties.load, plus Spring Boot's "#---"), in UTF-8.
 * Never fails as a whole: what is wrong goes to sink->fault.
 */
void rv__properties_read(const char *bytes, size_t length, const struct rv__properties_sink *sink);

/**
 * Reads YAML as Spring Boot does: nested keys join with dots, list items become [0], [1] …
 * libyaml is loaded by the first call; without it one fault says how to get it.
 */
void rv__yaml_read(const char *bytes, size_t length, const struct rv__properties_sink *sink);

#endif
