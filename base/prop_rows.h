/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One row of each type, so that a table of properties reads as a list of keys. For files that hold little else: the names
 * are short. Before each table stands whose members it names:
 *
 *     #define OWNER struct rv__my_settings
 *     static const struct rv_prop_desc rows[] = {
 *         TEXT("host", host, "localhost", "Host of the broker."), …
 *         {.name = NULL}};
 *     #undef OWNER
 *
 * `word` and `number` are defaults as they would stand in a file, NULL for none; `measure` is the unit or NULL.
 */
#ifndef BASE_PROP_ROWS_H
#define BASE_PROP_ROWS_H

#include <stddef.h>

#include <rivulet/property.h>

#define AT(member) .offset = offsetof(OWNER, member)
#define TEXT(key, member, word, text) \
	{ \
		.name = key, .type = RV_PROP_STRING, .def = word, .doc = text, AT(member) \
	}
#define SECRET(key, member, text) \
	{ \
		.name = key, .type = RV_PROP_STRING, .doc = text, AT(member), .flags = RV_PROP_SECRET \
	}
#define SWITCH(key, member, word, text) \
	{ \
		.name = key, .type = RV_PROP_BOOL, .def = word, .doc = text, AT(member) \
	}
#define CHOICE(key, member, words, word, text) \
	{ \
		.name = key, .type = RV_PROP_ENUM, .choices = words, .def = word, .doc = text, AT(member) \
	}
#define NUMBER(key, member, number, low, high, measure, text) \
	{ \
		.name = key, .type = RV_PROP_INT, .def = number, .min = low, .max = high, .unit = measure, \
		.doc = text, AT(member) \
	}
#define DURATION(key, member, number, low, high, measure, text) \
	{ \
		.name = key, .type = RV_PROP_DURATION, .def = number, .min = low, .max = high, \
		.unit = measure, .doc = text, AT(member) \
	}
#define MILLIS(key, member, number, low, high, text) DURATION(key, member, number, low, high, "ms", text)
#define BYTES(key, member, number, low, high, text) \
	{ \
		.name = key, .type = RV_PROP_SIZE, .def = number, .min = low, .max = high, .unit = "bytes", \
		.doc = text, AT(member) \
	}
#define LIST(key, member, text) \
	{ \
		.name = key, .type = RV_PROP_LIST, .doc = text, AT(member) \
	}
#define MAP(key, member, text) \
	{ \
		.name = key, .type = RV_PROP_MAP, .doc = text, AT(member) \
	}
#define SECRET_MAP(key, member, text) \
	{ \
		.name = key, .type = RV_PROP_MAP, .doc = text, AT(member), .flags = RV_PROP_SECRET \
	}

/* What belongs to Java alone, with what to use instead. The owner has a member `unused`. */
#define JAVA(key, text, cure) \
	{ \
		.name = key, .type = RV_PROP_STRING, .doc = text, AT(unused), .flags = RV_PROP_JAVA_ONLY, \
		.instead = cure \
	}
/* Known, without effect here: warns when set. */
#define IDLE(key, kind, member, word, text, cure) \
	{ \
		.name = key, .type = kind, .def = word, .doc = text, AT(member), .flags = RV_PROP_NO_EFFECT, \
		.instead = cure \
	}
/* Known, without effect here although it would change delivery, order or safety: fails when set. */
#define REFUSED(key, kind, member, word, text, cure) \
	{ \
		.name = key, .type = kind, .def = word, .doc = text, AT(member), .flags = RV_PROP_REFUSED, \
		.instead = cure \
	}

#endif
