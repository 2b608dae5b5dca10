/* SPDX-License-Identifier: Apache-2.0 */
/* parking-charging: takes parking fees and tells other services of each payment. */
#include "charging.h"

int main(int argc, char **argv)
{
	rv_app *app = rv_app_create("parking-charging", argc, argv);

	charging_declare(app, NULL);
	return rv_app_run(app); /* frees the application */
}
