/* SPDX-License-Identifier: Apache-2.0 */
/*
 * application.yml through libyaml, which is loaded by name on first use: services without YAML neither
 * link nor map it. Anchors and aliases work; what they could multiply is capped.
 */
#include "base/properties.h"

#include "base/keys.h"

#include <rivulet-config.h>

#include <stdbool.h>
#include <stdio.h>
#include <string.h>

#if RV_HAVE_YAML
#include <dlfcn.h>
#include <pthread.h>
#include <yaml.h>

enum { DEPTH_MAX = 32, PROPERTIES_MAX = 20000 };

/* libyaml's functions, all or none. */
static struct {
	int (*initialize)(yaml_parser_t *);
	void (*destroy)(yaml_parser_t *);
	void (*set_input)(yaml_parser_t *, const unsigned char *, size_t);
	int (*load)(yaml_parser_t *, yaml_document_t *);
	void (*document_destroy)(yaml_document_t *);
	yaml_node_t *(*root)(yaml_document_t *);
	yaml_node_t *(*node)(yaml_document_t *, int);
	bool loaded;
} lib;

static pthread_once_t lib_once = PTHREAD_ONCE_INIT;

static bool find(void *handle, const char *name, void *slot)
{
	void *symbol = dlsym(handle, name);

	/* The one portable way from an object pointer to a function pointer. */
	memcpy(slot, &symbol, sizeof symbol);
	return symbol != NULL;
}

static void load_library(void)
{
	void *handle = dlopen("libyaml-0.so.2", RTLD_NOW | RTLD_LOCAL);

	lib.loaded = handle && find(handle, "yaml_parser_initialize", &lib.initialize) &&
	    find(handle, "yaml_parser_delete", &lib.destroy) &&
	    find(handle, "yaml_parser_set_input_string", &lib.set_input) &&
	    find(handle, "yaml_parser_load", &lib.load) &&
	    find(handle, "yaml_document_delete", &lib.document_destroy) &&
	    find(handle, "yaml_document_get_root_node", &lib.root) &&
	    find(handle, "yaml_document_get_node", &lib.node);
}

struct walk {
	yaml_document_t *document;
	const struct rv__properties_sink *sink;
	char key[RV__KEY_MAX];
	int properties;
	bool given_up; /* one fault for what is too deep or too much */
};

static void walk_node(struct walk *walk, yaml_node_t *node, size_t length, int depth);

static int line_of(const yaml_node_t *node)
{
	return (int)node->start_mark.line + 1;
}

static void fault(struct walk *walk, const yaml_node_t *node, const char *text)
{
	walk->sink->fault(walk->sink->arg, line_of(node), text);
}

static void tell(struct walk *walk, const yaml_node_t *node, const char *value)
{
	walk->properties++;
	walk->sink->property(walk->sink->arg, line_of(node), walk->key, value);
}

static const char *text_of(const yaml_node_t *node)
{
	const char *text = (const char *)node->data.scalar.value;

	if (node->data.scalar.style == YAML_PLAIN_SCALAR_STYLE &&
	    (strcmp(text, "~") == 0 || strcmp(text, "null") == 0 || strcmp(text, "Null") == 0 ||
	        strcmp(text, "NULL") == 0))
		return "";
	return text;
}

static void walk_scalar(struct walk *walk, const yaml_node_t *node, size_t length)
{
	if (length == 0)
		fault(walk, node, "the document is not a map of keys; write key: value");
	else if (strlen((const char *)node->data.scalar.value) != node->data.scalar.length)
		fault(walk, node, "a zero byte cannot stand in a value; remove it");
	else
		tell(walk, node, text_of(node));
}

static void walk_pair(struct walk *walk, const yaml_node_t *key, yaml_node_t *value, size_t length, int depth)
{
	const char *name = (const char *)key->data.scalar.value;
	int written;

	if (key->type != YAML_SCALAR_NODE || !*name) {
		fault(walk, key, "a key has to be a word");
		return;
	}
	if (strcmp(name, "<<") == 0) {
		fault(walk, key, "merging with << is not supported; write the keys out");
		return;
	}
	written = snprintf(
	    walk->key + length, sizeof walk->key - length, "%s%s", length && *name != '[' ? "." : "", name);
	if (written < 0 || (size_t)written >= sizeof walk->key - length)
		fault(walk, key, "the key is longer than 511 bytes; shorten it");
	else
		walk_node(walk, value, length + (size_t)written, depth);
	walk->key[length] = '\0';
}

static void walk_map(struct walk *walk, yaml_node_t *node, size_t length, int depth)
{
	const yaml_node_pair_t *pair = node->data.mapping.pairs.start;

	if (pair == node->data.mapping.pairs.top && length)
		tell(walk, node, "");
	for (; pair < node->data.mapping.pairs.top && !walk->given_up; pair++)
		walk_pair(walk, lib.node(walk->document, pair->key), lib.node(walk->document, pair->value),
		    length, depth);
}

static void walk_list(struct walk *walk, yaml_node_t *node, size_t length, int depth)
{
	const yaml_node_item_t *item = node->data.sequence.items.start;

	if (length == 0) {
		fault(walk, node, "the document is not a map of keys; write key: value");
		return;
	}
	if (item == node->data.sequence.items.top)
		tell(walk, node, "");
	for (int i = 0; item < node->data.sequence.items.top && !walk->given_up; item++, i++) {
		int written = snprintf(walk->key + length, sizeof walk->key - length, "[%d]", i);

		if ((size_t)written < sizeof walk->key - length)
			walk_node(walk, lib.node(walk->document, *item), length + (size_t)written, depth);
	}
	walk->key[length] = '\0';
}

static void walk_node(struct walk *walk, yaml_node_t *node, size_t length, int depth)
{
	if (depth > DEPTH_MAX || walk->properties > PROPERTIES_MAX) {
		walk->given_up = true;
		fault(walk, node, "nested or repeated too much (32 levels, 20000 values); simplify the file");
		return;
	}
	if (node->type == YAML_SCALAR_NODE)
		walk_scalar(walk, node, length);
	else if (node->type == YAML_MAPPING_NODE)
		walk_map(walk, node, length, depth + 1);
	else if (node->type == YAML_SEQUENCE_NODE)
		walk_list(walk, node, length, depth + 1);
}

static void read_documents(yaml_parser_t *parser, const struct rv__properties_sink *sink)
{
	yaml_document_t document;
	char text[256];

	for (int number = 0;; number++) {
		struct walk walk = {.document = &document, .sink = sink};
		yaml_node_t *root;

		if (!lib.load(parser, &document)) {
			snprintf(text, sizeof text, "this is not YAML: %s%s%s; mind the indentation",
			    parser->problem ? parser->problem : "unreadable", parser->context ? ", " : "",
			    parser->context ? parser->context : "");
			sink->fault(sink->arg, (int)parser->problem_mark.line + 1, text);
			return;
		}
		root = lib.root(&document);
		if (root && number > 0)
			sink->document(sink->arg, line_of(root));
		if (root && !(root->type == YAML_SCALAR_NODE && root->data.scalar.length == 0))
			walk_node(&walk, root, 0, 0);
		lib.document_destroy(&document);
		if (!root)
			return;
	}
}

void rv__yaml_read(const char *bytes, size_t length, const struct rv__properties_sink *sink)
{
	yaml_parser_t parser;

	pthread_once(&lib_once, load_library);
	if (!lib.loaded) {
		sink->fault(sink->arg, 0,
		    "YAML needs libyaml (libyaml-0.so.2); install the package libyaml-0-2, or write the same "
		    "keys to a .properties file");
		return;
	}
	if (!lib.initialize(&parser)) {
		sink->fault(sink->arg, 0, "there is no memory for the YAML reader");
		return;
	}
	lib.set_input(&parser, (const unsigned char *)bytes, length);
	read_documents(&parser, sink);
	lib.destroy(&parser);
}

#else

void rv__yaml_read(const char *bytes, size_t length, const struct rv__properties_sink *sink)
{
	(void)bytes;
	(void)length;
	sink->fault(sink->arg, 0,
	    "this build reads no YAML; build with libyaml's headers (libyaml-dev), or write the same keys to "
	    "a "
	    ".properties file");
}

#endif
