/* SPDX-License-Identifier: Apache-2.0 */
/* parking-message: passes payment notices on to the customer. */
#include "message.h"

int main(int argc, char **argv)
{
	rv_app *app = rv_app_create("parking-message", argc, argv);

	message_declare(app, NULL);
	return rv_app_run(app); /* frees the application */
}
