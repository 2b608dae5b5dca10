/* SPDX-License-Identifier: Apache-2.0 */
/* A library that is no binder module: it lacks the one symbol. */
int rv_test_hollow(void);

int rv_test_hollow(void)
{
	return 0;
}
