/* SPDX-License-Identifier: Apache-2.0 */
#include "base/config_home.h"

#include "rivulet-config.h"

#include <stdio.h>
#include <string.h>
#include <unistd.h>

enum { PATH_SIZE = 1024 };

static bool has_files(const char *directory)
{
	static const char *const names[] = {"application.properties", "application.yml", "application.yaml",
	    "config/application.properties", "config/application.yml", "config/application.yaml"};
	char path[PATH_SIZE];

	for (size_t i = 0; i < sizeof names / sizeof *names; i++)
		if ((size_t)snprintf(path, sizeof path, "%s/%s", directory, names[i]) < sizeof path &&
		    access(path, F_OK) == 0)
			return true;
	return false;
}

const char *rv__config_home(const char *name, char *installed, size_t size, bool *ret_found)
{
	int length = snprintf(installed, size, "%s/rivulet/%s", RV_CONFIG_DIR, name);

	if (length < 0 || (size_t)length >= size || strchr(name, '/'))
		installed[0] = '\0';
	*ret_found = has_files(".");
	if (*ret_found || !installed[0] || !has_files(installed))
		return NULL;
	*ret_found = true;
	return installed;
}
