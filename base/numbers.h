/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Stable numbers of messages (RV0123). Each folder keeps a numbers.def with rows
 *
 *     RV__NUMBER(12, UNKNOWN_KEY, "what the message says", "its cause", "its cure")
 *
 * in its own range; docs/errors.md is generated from them (./dev docs). A number is never reused.
 *
 *     1- 99 base     100-199 bindings   200-299 binder, memory   300-399 binder/rocketmq
 *   400-499 remoting, broker   500-599 http, actuator   600-699 cli, services
 *   700-799 binder/kafka   800-899 binder/redis
 */
#ifndef BASE_NUMBERS_H
#define BASE_NUMBERS_H

enum rv__number {
#define RV__NUMBER(number, symbol, title, cause, cure) RV__N_##symbol = (number),
#include "base/numbers.def"
#include "binder/kafka/numbers.def"
#include "binder/numbers.def"
#include "binder/redis/numbers.def"
#include "binder/rocketmq/numbers.def"
#include "bindings/numbers.def"
#include "broker/numbers.def"
#include "broker/store/numbers.def"
#include "cli/numbers.def"
#include "http/numbers.def"
#undef RV__NUMBER
	RV__N_NONE = 0
};

#endif
