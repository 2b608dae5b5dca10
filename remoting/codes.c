/* SPDX-License-Identifier: Apache-2.0 */
#include "remoting/codes.h"

const char *rv__response_name(int code)
{
	switch (code) {
#define X(symbol, number) \
	case number: \
		return #symbol;
		RV__RESPONSE_LIST(X)
#undef X
	default:
		return "UNKNOWN";
	}
}
