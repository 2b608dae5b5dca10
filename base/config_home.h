/* SPDX-License-Identifier: Apache-2.0 */
/* Where the files of an application stand when nobody says: beside it, or where they were installed. */
#ifndef BASE_CONFIG_HOME_H
#define BASE_CONFIG_HOME_H

#include <stdbool.h>
#include <stddef.h>

/**
 * Looks for application.properties, .yml or .yaml in the working directory and its config/, then in
 * <sysconfdir>/rivulet/<name>/ and its config/.
 *
 * @param name        of the application; one with a slash is not looked for
 * @param installed   buffer for the installed directory; filled in any case, "" when it does not fit
 * @param ret_found   whether there is a file at all
 * @return `installed` when the files stand there; NULL for the working directory, also when there are none
 */
const char *rv__config_home(const char *name, char *installed, size_t size, bool *ret_found);

#endif
