/* SPDX-License-Identifier: Apache-2.0 */
#include "record/fields.h"

#include <stdio.h>
#include <string.h>

#define NS_PER_S  INT64_C(1000000000)
#define S_PER_DAY INT64_C(86400)

/* A day of the civil calendar from the days since 1970, and back. Counted in years that
 * begin in March, the leap day comes last, in eras of 400 years (Howard Hinnant,
 * "chrono-compatible low-level date algorithms"). */
#define DAYS_PER_ERA INT64_C(146097)
#define ERA_TO_1970  INT64_C(719468)

struct date {
	int64_t year;
	int64_t month;
	int64_t day;
};

static struct date date_of(int64_t days)
{
	int64_t since = days + ERA_TO_1970; /* not negative: nothing before 1970 */
	int64_t era = since / DAYS_PER_ERA;
	int64_t of_era = since % DAYS_PER_ERA;
	int64_t year =
		(of_era - of_era / 1460 + of_era / 36524 - of_era / (DAYS_PER_ERA - 1)) / 365;
	int64_t of_year = of_era - (365 * year + year / 4 - year / 100);
	int64_t month = (5 * of_year + 2) / 153;
	struct date date = {.day = of_year - (153 * month + 2) / 5 + 1,
		.month = month < 10 ? month + 3 : month - 9};

	date.year = year + era * 400 + (date.month <= 2);
	return date;
}

static int64_t days_of(const struct date *date)
{
	int64_t year = date->year - (date->month <= 2);
	int64_t of_era = year % 400;
	int64_t month = date->month > 2 ? date->month - 3 : date->month + 9;
	int64_t of_year = (153 * month + 2) / 5 + date->day - 1;

	return year / 400 * DAYS_PER_ERA + of_era * 365 + of_era / 4 - of_era / 100 + of_year -
	       ERA_TO_1970;
}

void blx__time_format(int64_t ns, char ret_text[BLX__TIME_SIZE])
{
	int64_t seconds = ns / NS_PER_S;
	int64_t of_day = seconds % S_PER_DAY;
	struct date date;

	ret_text[0] = '\0';
	if (ns > 0) {
		date = date_of(seconds / S_PER_DAY);
		(void)snprintf(ret_text, BLX__TIME_SIZE, "%04d-%02d-%02dT%02d:%02d:%02d.%03dZ",
			(int)date.year, (int)date.month, (int)date.day, (int)(of_day / 3600),
			(int)(of_day / 60 % 60), (int)(of_day % 60),
			(int)(ns % NS_PER_S / 1000000));
	}
}

/* So many digits, and what stands behind them (0: nothing of interest). */
static bool number_parse(const char **text, int digits, char behind, int64_t *ret)
{
	*ret = 0;
	for (; digits > 0; digits--, ++*text) {
		if (**text < '0' || **text > '9') {
			return false;
		}
		*ret = *ret * 10 + (**text - '0');
	}
	if (behind != '\0' && *(*text)++ != behind) {
		return false;
	}
	return true;
}

/* ".678" as ns. False: it is something else. */
static bool fraction_parse(const char **text, int64_t *ns)
{
	int64_t unit = NS_PER_S / 10;

	if (**text != '.') {
		return true;
	}
	for (++*text; **text >= '0' && **text <= '9'; ++*text) {
		*ns += (**text - '0') * unit;
		unit /= 10;
	}
	return unit != NS_PER_S / 10;
}

static bool date_parse(const char **text, int64_t *ret_days)
{
	struct date date;
	struct date back;

	if (!number_parse(text, 4, '-', &date.year) || !number_parse(text, 2, '-', &date.month) ||
		!number_parse(text, 2, 'T', &date.day) || date.year < 1970 || date.year > 2200 ||
		date.month < 1 || date.month > 12) {
		return false;
	}
	*ret_days = days_of(&date);
	back = date_of(*ret_days); /* a day that there is comes back */
	return back.month == date.month && back.day == date.day;
}

bool blx__time_parse(const char *text, int64_t *ret_ns)
{
	int64_t days;
	int64_t hours;
	int64_t minutes;
	int64_t seconds;
	int64_t ns = 0;

	*ret_ns = 0;
	if (text[0] == '\0') {
		return true;
	}
	if (!date_parse(&text, &days) || !number_parse(&text, 2, ':', &hours) ||
		!number_parse(&text, 2, ':', &minutes) || !number_parse(&text, 2, '\0', &seconds) ||
		hours > 23 || minutes > 59 || seconds > 59 || !fraction_parse(&text, &ns) ||
		strcmp(text, "Z") != 0) {
		return false;
	}
	*ret_ns = (days * S_PER_DAY + hours * 3600 + minutes * 60 + seconds) * NS_PER_S + ns;
	return true;
}
