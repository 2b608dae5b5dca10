/* SPDX-License-Identifier: Apache-2.0 */
/* A listening TCP socket from `server.address` and `server.port`. */
#ifndef HTTP_LISTEN_H
#define HTTP_LISTEN_H

#include <stdint.h>

#include <rivulet/error.h>

/**
 * Listens, without blocking and closed on exec.
 *
 * @param key        property that names the port, for the sentence
 * @param ret_fd     owned: close()
 * @param ret_port   the port, also when the system chose it
 * @return RV_OK; RV_E_CONFIG for an address that is none; RV_E_IO (native: errno) when the port is in use,
 *         forbidden, or the address is not of this machine
 */
rv_err rv__listen(
    const char *address, int64_t port, const char *key, int *ret_fd, int *ret_port, struct rv_error *err);

#endif
