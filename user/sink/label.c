/* SPDX-License-Identifier: Apache-2.0 */
#include "sink/label.h"

#include "util/names.h"

size_t label_escape(const char *value, char *ret)
{
	size_t size = strnlen(value, LABEL_MOST + 1), used = 0;

	if (size > LABEL_MOST) {
		for (size = LABEL_MOST; size > 0 && (value[size] & 0xc0) == 0x80;)
			size--;
	}
	for (size_t i = 0; i < size; i++) {
		if (value[i] == '\n' || value[i] == '"' || value[i] == '\\')
			ret[used++] = '\\';
		ret[used++] = value[i];
		if (value[i] == '\n')
			ret[used - 1] = 'n';
	}
	return used;
}

static size_t write_pair(const char *name, const char *value, char *ret)
{
	size_t used = (size_t)(stpcpy(ret, name) - ret);

	ret[used++] = '=';
	ret[used++] = '"';
	used += label_escape(value, ret + used);
	ret[used++] = '"';
	return used;
}

static const char *code_text(uint16_t code, char number[8])
{
	size_t i = 7;

	if (code == CODE_ABORTED)
		return "aborted";
	if (code == CODE_OTHER)
		return "other";
	if (code == 0)
		return "unknown";
	for (number[i] = '\0'; code; code /= 10)
		number[--i] = (char)('0' + code % 10);
	return number + i;
}

static const char *value_of(const struct series_label *label, const struct series_key *key,
			    char number[8])
{
	switch (label->source) {
	case LABEL_NAME:
		return names_text(key->names[label->at]);
	case LABEL_CODE:
		return code_text(key->code, number);
	case LABEL_CHOICE:
		return label->choices[key->choice];
	}
	return "";
}

size_t label_write(const struct series_metric *metric, const struct series_key *key,
		   const struct identity *identity, char ret[LABELS_SIZE])
{
	char number[8];
	size_t used;

	used = write_pair("service", identity->service, ret);
	used += write_pair(",namespace", identity->namespace, ret + used);
	used += write_pair(",pod", identity->pod, ret + used);
	used += write_pair(",container", identity->container, ret + used);
	for (size_t i = 0; i < SERIES_LABELS && metric->labels[i].name; i++) {
		ret[used++] = ',';
		used += write_pair(metric->labels[i].name,
				   value_of(&metric->labels[i], key, number), ret + used);
	}
	return used;
}
