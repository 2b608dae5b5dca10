/* SPDX-License-Identifier: Apache-2.0 */
#include "binder/registry.h"

#include "base/buffer.h"
#include "base/numbers.h"
#include "rivulet-config.h"

#include <dlfcn.h>
#include <pthread.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

enum { BINDERS_MAX = 32, PATH_SIZE = 1024 };

/* Grows only; rows below `count` never change. */
static struct {
	pthread_mutex_t lock;
	const struct rv_binder_ops *items[BINDERS_MAX];
	size_t count;
} registered = {.lock = PTHREAD_MUTEX_INITIALIZER};

static bool valid_type(const char *type)
{
	if (!type || !*type || strlen(type) > 32)
		return false;
	return strspn(type, "abcdefghijklmnopqrstuvwxyz0123456789-") == strlen(type);
}

/* Name of the first required member that is missing, or NULL. */
static const char *missing_member(const struct rv_binder_ops *ops)
{
	const struct {
		const char *name;
		bool present;
	} members[] = {
	    {"label", ops->label && *ops->label},
	    {"open", ops->open},
	    {"stop", ops->stop},
	    {"close", ops->close},
	    {"bind_producer", ops->bind_producer},
	    {"send", ops->send},
	    {"unbind_producer", ops->unbind_producer},
	    {"bind_consumer", ops->bind_consumer},
	    {"start_consumer", ops->start_consumer},
	    {"credit", ops->credit},
	    {"settle", ops->settle},
	    {"released", ops->released},
	    {"pause", ops->pause},
	    {"resume", ops->resume},
	    {"stop_consumer", ops->stop_consumer},
	    {"unbind_consumer", ops->unbind_consumer},
	    {"health", ops->health},
	};

	for (size_t i = 0; i < sizeof members / sizeof *members; i++)
		if (!members[i].present)
			return members[i].name;
	return NULL;
}

/* Checks the ABI number and every required pointer. */
static rv_err verify(const struct rv_binder_ops *ops, struct rv_error *err)
{
	const char *missing;

	if (!ops)
		return rv_error_set(err, RV_E_INVALID, RV__N_BINDER_CONTRACT, "binder",
		    "a binder without operations was registered; return the address of a struct "
		    "rv_binder_ops");
	if (ops->abi != RV_BINDER_ABI)
		return rv_error_set(err, RV_E_UNSUPPORTED, RV__N_BINDER_ABI, "binder",
		    "a binder was built for binder ABI %u, this library has %u; build it against these "
		    "headers",
		    ops->abi, RV_BINDER_ABI);
	if (!valid_type(ops->type))
		return rv_error_set(err, RV_E_INVALID, RV__N_BINDER_CONTRACT, "binder",
		    "a binder's type has 1 to 32 of a-z, 0-9 and '-'; give it one");
	missing = missing_member(ops);
	if (missing)
		return rv_error_set(err, RV_E_INVALID, RV__N_BINDER_CONTRACT, "binder",
		    "binder '%s' lacks the required member '%s'; implement it", ops->type, missing);
	return RV_OK;
}

static const struct rv_binder_ops *find_builtin(const char *type)
{
	for (size_t i = 0; rv__builtin_binders[i]; i++)
		if (strcmp(rv__builtin_binders[i]->type, type) == 0)
			return rv__builtin_binders[i];
	return NULL;
}

/* Locks: registered.lock held. */
static const struct rv_binder_ops *find_registered(const char *type)
{
	for (size_t i = 0; i < registered.count; i++)
		if (strcmp(registered.items[i]->type, type) == 0)
			return registered.items[i];
	return NULL;
}

const struct rv_binder_ops *rv__binder_lookup(const char *type)
{
	const struct rv_binder_ops *ops = find_builtin(type);

	if (ops)
		return ops;
	pthread_mutex_lock(&registered.lock);
	ops = find_registered(type);
	pthread_mutex_unlock(&registered.lock);
	return ops;
}

/* Locks: registered.lock held. */
static rv_err add(const struct rv_binder_ops *ops, struct rv_error *err)
{
	rv_err code = verify(ops, err);

	if (code != RV_OK)
		return code;
	if (find_builtin(ops->type) || find_registered(ops->type))
		return rv_error_set(err, RV_E_INVALID, RV__N_BINDER_TAKEN, "binder",
		    "there is a binder of type '%s' already; choose another type", ops->type);
	if (registered.count == BINDERS_MAX)
		return rv_error_set(err, RV_E_INVALID, RV__N_BINDER_TAKEN, "binder",
		    "at most %d binders can be registered; leave some out", BINDERS_MAX);
	registered.items[registered.count++] = ops;
	rv_log(RV_LOG_DEBUG, "binder", "type=%s label=%s capabilities=0x%x: registered", ops->type,
	    ops->label, ops->caps);
	return RV_OK;
}

rv_err rv_binder_register(const struct rv_binder_ops *ops, struct rv_error *err)
{
	rv_err code;

	pthread_mutex_lock(&registered.lock);
	code = add(ops, err);
	pthread_mutex_unlock(&registered.lock);
	return code;
}

/* Opens one module file. NULL with *err. A module stays loaded: its code may be on some stack at exit. */
static const struct rv_binder_ops *open_module(const char *file, const char *type, struct rv_error *err)
{
	const struct rv_binder_ops *ops;
	rv_binder_module_fn entry;
	void *library = dlopen(file, RTLD_NOW | RTLD_LOCAL);
	void *symbol = library ? dlsym(library, "rv_binder_module") : NULL;

	if (!symbol) {
		rv_error_set(err, RV_E_INVALID, RV__N_BINDER_LOAD, "binder",
		    "binder module '%s' cannot be loaded: %s; install what it needs or remove it", file,
		    library ? "it does not export rv_binder_module" : dlerror());
		return NULL;
	}
	memcpy(&entry, &symbol, sizeof entry);
	ops = entry(RV_BINDER_ABI);
	if (!ops) {
		rv_error_set(err, RV_E_UNSUPPORTED, RV__N_BINDER_ABI, "binder",
		    "binder module '%s' does not serve binder ABI %u; build it against these headers", file,
		    RV_BINDER_ABI);
		return NULL;
	}
	if (verify(ops, err) != RV_OK)
		return NULL;
	if (strcmp(ops->type, type) != 0) {
		rv_error_set(err, RV_E_INVALID, RV__N_BINDER_CONTRACT, "binder",
		    "binder module '%s' says that its type is '%s'; rename the file or the type", file,
		    ops->type);
		return NULL;
	}
	return ops;
}

static void describe_missing(const char *type, const struct rv_strings *path, struct rv_error *err)
{
	struct rv__buffer known = {.limit = 256};
	struct rv__buffer looked = {.limit = 1024};

	for (size_t i = 0; rv__builtin_binders[i]; i++)
		rv__buffer_printf(&known, "%s%s", i ? ", " : "", rv__builtin_binders[i]->type);
	for (size_t i = 0; i < registered.count; i++)
		rv__buffer_printf(&known, "%s%s", known.length ? ", " : "", registered.items[i]->type);
	for (size_t i = 0; path && i < path->count; i++)
		rv__buffer_printf(&looked, "%s, ", path->items[i]);
	rv_error_set(err, RV_E_CONFIG, RV__N_BINDER_UNKNOWN, "binder",
	    "there is no binder of type '%s' (present: %s; no rivulet-binder-%s.so in %s%s); correct the "
	    "type, "
	    "or put the module's directory into rivulet.binder.path",
	    type, rv__buffer_text(&known), type, rv__buffer_text(&looked), RV_BINDER_DIR);
	rv__buffer_finish(&known);
	rv__buffer_finish(&looked);
}

/* Locks: registered.lock held. */
static const struct rv_binder_ops *load(const char *type, const struct rv_strings *path, struct rv_error *err)
{
	size_t count = path ? path->count : 0;
	char file[PATH_SIZE];

	for (size_t i = 0; i <= count; i++) {
		const char *directory = i < count ? path->items[i] : RV_BINDER_DIR;
		const struct rv_binder_ops *ops;
		int n = snprintf(file, sizeof file, "%s/rivulet-binder-%s.so", directory, type);

		if (n < 0 || (size_t)n >= sizeof file || access(file, F_OK) != 0)
			continue;
		ops = open_module(file, type, err);
		return ops && add(ops, err) == RV_OK ? ops : NULL;
	}
	describe_missing(type, path, err);
	return NULL;
}

const struct rv_binder_ops *rv__binder_find(
    const char *type, const struct rv_strings *path, struct rv_error *err)
{
	const struct rv_binder_ops *ops = find_builtin(type);

	if (ops)
		return ops;
	pthread_mutex_lock(&registered.lock);
	ops = find_registered(type);
	if (!ops && valid_type(type))
		ops = load(type, path, err);
	else if (!ops)
		rv_error_set(err, RV_E_CONFIG, RV__N_BINDER_UNKNOWN, "binder",
		    "'%s' is no type of a binder; a type has 1 to 32 of a-z, 0-9 and '-'", type);
	pthread_mutex_unlock(&registered.lock);
	return ops;
}

void rv__binder_each(void (*visit)(void *arg, const struct rv_binder_ops *ops), void *arg)
{
	size_t count;

	for (size_t i = 0; rv__builtin_binders[i]; i++)
		visit(arg, rv__builtin_binders[i]);
	pthread_mutex_lock(&registered.lock);
	count = registered.count;
	pthread_mutex_unlock(&registered.lock);
	for (size_t i = 0; i < count; i++)
		visit(arg, registered.items[i]);
}
