/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Codes, outcomes and the error object of libblixard.
 *
 * Every call that can fail returns 0 or one of the negative codes below, and
 * fills the blx_error it was given (NULL where the caller does not care). The
 * codes, their names and their texts are part of the API and do not change.
 *
 * A blx_error is plain memory of the caller's: nothing to release, and no
 * thread-local state behind it. All functions here are safe from any thread.
 */
#ifndef BLIXARD_ERROR_H
#define BLIXARD_ERROR_H

#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

#if defined(__GNUC__)
#define BLX_API __attribute__((visibility("default")))
#else
#define BLX_API
#endif

/* What a call came to. BLX_OK is 0; the others are negative. */
enum blx_code {
	BLX_OK = 0,
	BLX_EINVAL = -1,     /* an argument is not of the documented form */
	BLX_ENOMEM = -2,     /* out of memory; nothing was changed */
	BLX_ENOENT = -3,     /* nothing is at that path */
	BLX_ENOVALUE = -4,   /* the path exists, but only as a parent of others */
	BLX_EEXIST = -5,     /* put_if_absent: something is there already */
	BLX_ECONFLICT = -6,  /* a guard did not hold */
	BLX_ENOQUORUM = -7,  /* no majority of the voters can be reached */
	BLX_ETIMEOUT = -8,   /* the deadline passed */
	BLX_ENOTLEADER = -9, /* only the leader can do this, and this is not it */
	BLX_EBUSY = -10,     /* too much is under way; try again */
	BLX_ECANCELED = -11, /* the handle was closed, or the call was withdrawn */
	BLX_EIO = -12,       /* the disk failed */
	BLX_ENOSPC = -13,    /* the disk is full */
	BLX_ECORRUPT = -14,  /* stored or received bytes are damaged */
	BLX_ETOOBIG = -15,   /* larger than a documented limit */
	BLX_EPERM = -16,     /* not allowed */
	BLX_EPROTO = -17,    /* the peer does not speak this protocol */
	BLX_ECLUSTER = -18,  /* the peer or the directory is of another cluster */
	BLX_EINUSE = -19,    /* another process holds the directory or address */
	BLX_ENOSYS = -20,    /* the peer does not know this request */
	BLX_EFORK = -21,     /* the handle was made before a fork() */
	BLX_ESESSION = -22,  /* the session is no longer known to the cluster */
	BLX_ENOTMEMBER = -23,/* no member of that name */
	BLX_EUNAVAILABLE = -24, /* this member has stopped after a failure */
	BLX_ECONNECT = -25,  /* no connection to the member */
	BLX_EVERSION = -26,  /* written by a version this one cannot read */
	BLX_ECHANGING = -27, /* a membership change is under way already */
	BLX_ECOMPACTED = -28,/* a watch wants changes that are no longer kept */
	BLX_EQUOTA = -29,    /* the store holds as much as its quota allows; delete something
			      * or raise /:config/quota.bytes or quota.keys */
	BLX_ENOPLACE = -30,  /* no node will do */
	BLX_ERESERVED = -31, /* there is a reservation of that name */
	BLX_EFAILED = -32,   /* a unit failed */
	BLX_EMASKED = -33,   /* a unit is masked */
	BLX_EDEPENDENCY = -34, /* a unit that another one needs failed */
	BLX_ESKIPPED = -35,  /* a condition of a unit does not hold */
	BLX_EMIGRATION = -36 /* a migration failed; what it moved is where it was */
};

/* For a write that failed: can it have been applied? */
enum blx_outcome {
	BLX_OUTCOME_NONE = 0, /* not a write, or it succeeded */
	BLX_NOT_APPLIED = 1,  /* certainly not applied, now or later */
	BLX_UNKNOWN = 2       /* may have been applied, or may be yet */
};

#define BLX_ERROR_MESSAGE_SIZE 256

/* What went wrong. Initialise with BLX_ERROR_INIT or blx_error_init(). */
typedef struct blx_error {
	size_t size;       /* of this struct, as the caller compiled it */
	int code;          /* enum blx_code */
	int outcome;       /* enum blx_outcome */
	uint64_t revision; /* on a conflict: the revision that is there now */
	char message[BLX_ERROR_MESSAGE_SIZE]; /* one line, for a person */
} blx_error;

#define BLX_ERROR_INIT                                                                   \
	{                                                                                \
		sizeof(blx_error), 0, 0, 0, { 0 }                                        \
	}

/* The same as BLX_ERROR_INIT, for bindings. */
BLX_API void blx_error_init(blx_error *error);

/* The fixed text of a code, for example "no quorum". Never NULL. */
BLX_API const char *blx_strerror(int code);

/* The name of a code, for example "BLX_ENOQUORUM". Never NULL. */
BLX_API const char *blx_err_name(int code);

#ifdef __cplusplus
}
#endif

#endif
