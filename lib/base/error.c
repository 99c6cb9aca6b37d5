/* SPDX-License-Identifier: Apache-2.0 */
#include "base/error.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

/* Codes, names and texts are API: add at the end, never change one. */
static const struct {
	int code;
	const char *name;
	const char *text;
} codes[] = {
	{ BLX_OK, "BLX_OK", "ok" },
	{ BLX_EINVAL, "BLX_EINVAL", "invalid argument" },
	{ BLX_ENOMEM, "BLX_ENOMEM", "out of memory" },
	{ BLX_ENOENT, "BLX_ENOENT", "not found" },
	{ BLX_ENOVALUE, "BLX_ENOVALUE", "no value there, only children" },
	{ BLX_EEXIST, "BLX_EEXIST", "already exists" },
	{ BLX_ECONFLICT, "BLX_ECONFLICT", "conflict" },
	{ BLX_ENOQUORUM, "BLX_ENOQUORUM", "no quorum" },
	{ BLX_ETIMEOUT, "BLX_ETIMEOUT", "timed out" },
	{ BLX_ENOTLEADER, "BLX_ENOTLEADER", "not the leader" },
	{ BLX_EBUSY, "BLX_EBUSY", "busy" },
	{ BLX_ECANCELED, "BLX_ECANCELED", "canceled" },
	{ BLX_EIO, "BLX_EIO", "disk error" },
	{ BLX_ENOSPC, "BLX_ENOSPC", "disk full" },
	{ BLX_ECORRUPT, "BLX_ECORRUPT", "data is damaged" },
	{ BLX_ETOOBIG, "BLX_ETOOBIG", "too big" },
	{ BLX_EPERM, "BLX_EPERM", "permission denied" },
	{ BLX_EPROTO, "BLX_EPROTO", "protocol error" },
	{ BLX_ECLUSTER, "BLX_ECLUSTER", "belongs to another cluster" },
	{ BLX_EINUSE, "BLX_EINUSE", "in use by another process" },
	{ BLX_ENOSYS, "BLX_ENOSYS", "request not known" },
	{ BLX_EFORK, "BLX_EFORK", "handle used after fork" },
	{ BLX_ESESSION, "BLX_ESESSION", "session expired" },
	{ BLX_ENOTMEMBER, "BLX_ENOTMEMBER", "no such member" },
	{ BLX_EUNAVAILABLE, "BLX_EUNAVAILABLE", "member has stopped" },
	{ BLX_ECONNECT, "BLX_ECONNECT", "cannot connect" },
	{ BLX_EVERSION, "BLX_EVERSION", "unsupported version" },
	{ BLX_ECHANGING, "BLX_ECHANGING", "a membership change is under way" },
	{ BLX_ECOMPACTED, "BLX_ECOMPACTED", "changes asked for are no longer kept" },
	{ BLX_EQUOTA, "BLX_EQUOTA", "the store's quota is reached" },
	{ BLX_ENOPLACE, "BLX_ENOPLACE", "No suitable nodes available" },
	{ BLX_ERESERVED, "BLX_ERESERVED", "Resource reservation failed" },
	{ BLX_EFAILED, "BLX_EFAILED", "unit failed" },
	{ BLX_EMASKED, "BLX_EMASKED", "unit is masked" },
	{ BLX_EDEPENDENCY, "BLX_EDEPENDENCY", "a dependency failed" },
	{ BLX_ESKIPPED, "BLX_ESKIPPED", "skipped: a condition does not hold" },
	{ BLX_EMIGRATION, "BLX_EMIGRATION", "Migration failed" },
};

static const size_t codes_count = sizeof codes / sizeof codes[0];

void blx_error_init(blx_error *error)
{
	if (error != NULL) {
		*error = (blx_error)BLX_ERROR_INIT;
	}
}

const char *blx_strerror(int code)
{
	size_t i = (size_t)-(long)code;

	return code <= 0 && i < codes_count ? codes[i].text : "unknown error";
}

const char *blx_err_name(int code)
{
	size_t i = (size_t)-(long)code;

	return code <= 0 && i < codes_count ? codes[i].name : "BLX_E?";
}

static void error_vset(blx_error *error, int code, int outcome, const char *format, va_list args)
{
	error->code = code;
	error->outcome = outcome;
	error->revision = 0;
	(void)vsnprintf(error->message, sizeof error->message, format, args);
}

int blx__error_set(blx_error *error, int code, const char *format, ...)
{
	va_list args;

	if (error != NULL) {
		va_start(args, format);
		error_vset(error, code, BLX_OUTCOME_NONE, format, args);
		va_end(args);
	}
	return code;
}

int blx__error_set_write(blx_error *error, int code, int outcome, const char *format, ...)
{
	va_list args;

	if (error != NULL) {
		va_start(args, format);
		error_vset(error, code, outcome, format, args);
		va_end(args);
	}
	return code;
}

void blx__error_copy(blx_error *to, const blx_error *from)
{
	if (to == NULL || from == NULL || to == from) {
		return;
	}
	to->code = from->code;
	to->outcome = from->outcome;
	to->revision = from->revision;
	memcpy(to->message, from->message, sizeof to->message);
}

int blx__code_of_errno(int errnum)
{
	switch (errnum) {
	case 0:
		return BLX_OK;
	case ENOMEM:
		return BLX_ENOMEM;
	case ENOENT:
	case ENOTDIR:
		return BLX_ENOENT;
	case EEXIST:
		return BLX_EEXIST;
	case ENOSPC:
	case EDQUOT:
		return BLX_ENOSPC;
	case EACCES:
	case EPERM:
	case EROFS:
		return BLX_EPERM;
	case EINVAL:
	case ENAMETOOLONG:
		return BLX_EINVAL;
	default:
		return BLX_EIO;
	}
}
