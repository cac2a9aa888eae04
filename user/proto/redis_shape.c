/* SPDX-License-Identifier: Apache-2.0 */
#include "proto/redis_shape.h"

/*
 * What is surely a word, and no one's name: what programs call the things that they keep. Sorted.
 */
static const char vocabulary[] =
	"access account accounts action actions activity address addresses agent airport "
	"airports alert alerts all analytics api app application applications apps archive "
	"article articles asset assets async attempt attempts auth authentication "
	"authorization available avatar avatars backend backlog backup balance balances banner "
	"banners basket baskets batch batches billing block blocked blog board boards body "
	"booking bookings broadcast bucket buckets buffer builds bus business busy cache "
	"cached caches calendar callback campaign campaigns captcha card cards cart carts "
	"catalog categories category celery channel channels chat chats chunk chunks cities "
	"city claim claims client clients cluster code codes collection collections comment "
	"comments companies company completed config configs configuration confirm "
	"confirmation connection connections consumer consumers contact contacts content "
	"contents context conversation conversations cookie cookies count counter counters "
	"countries country counts coupon coupons courier course courses cron csrf currencies "
	"currency cursor customer customers daily dashboard data dataset date dates day days "
	"db dead deadline debug delayed deliveries delivery department departure departures "
	"deploy destination destinations detail details device devices digest dispatch "
	"document documents domain domains done download downloads draft drafts driver drivers "
	"duration dynamic edge email emails employee employees endpoint endpoints engine "
	"entities entity entries entry environment error errors event events exchange "
	"exchanges expire expired expiry export exports external failed failure failures fare "
	"fares feature features feed feeds field fields file files filter filters flag flags "
	"flight flights folder folders follower followers form forms forum frontend function "
	"functions game games gateway geo global graph group groups guard hash hashes health "
	"heartbeat history hit hits hold home host hosts hotel hotels hour hourly hours html "
	"http id identity ids image images import imports inbox index indexes indices info "
	"internal inventories inventory invitation invitations invite invites invoice invoices "
	"item items job jobs journal json key keys kind label labels language last latest "
	"layout leader leaderboard ledger lesson lessons level levels like likes limit limiter "
	"limits link links list lists live load local location locations lock locks log login "
	"logins logout logs lookup mail main map maps market markets meeting meetings member "
	"members membership menu menus merchant merchants message messages meta metadata "
	"metric metrics migration migrations minute minutes mode model models module modules "
	"month monthly name names namespace network news node nodes notification notifications "
	"notify object objects offer offers online open operation operations option options "
	"order orders organization organizations origin origins otp outbox overview owner "
	"owners package packages page pages parameter parameters parcel parcels part "
	"participant participants partition partner partners passenger passengers password "
	"payload payment payments payout payouts pending people permission permissions person "
	"phone photo photos ping pipeline place places plan plans platform player players "
	"playlist plugin policies policy poll polls pool popular port post posts preference "
	"preferences price prices pricing process processes processing product products "
	"profile profiles progress project projects promo promotion property provider "
	"providers proxy public push quantity queries query question questions queue queued "
	"queues quota quotas rank ranking rankings rate rates rating ratings read reader ready "
	"recent recommendation recommendations record records redirect redis refresh refund "
	"refunds region regions registration registry reminder reminders replica report "
	"reports request requests reservation reservations reset resource resources response "
	"responses result results retries retry review reviews role roles room rooms route "
	"router routes routing rule rules run running schedule scheduled scheduler schedules "
	"schema schemas score scores search searches seat seats section sections segment "
	"segments sequence server servers service services session sessions setting settings "
	"shard share shared shipment shipments shipping shop shops short signal signup sitemap "
	"size slot slots snapshot social sorted source sources stat state stateful states "
	"static station stations statistics stats status statuses step steps stock stocks "
	"storage store stores stream streams subscriber subscribers subscription subscriptions "
	"summary supplier suppliers support sync system table tables tag tags target task "
	"tasks team teams temp template templates temporary tenant tenants thread "
	"threads throttle ticket tickets time timeline timeout timer timers timestamp timezone "
	"tmp token tokens topic topics total totals trace traces track tracking train trains "
	"transaction transactions transfer transfers translation translations travel traveller "
	"travellers travels trigger triggers trip trips type types unique unread update "
	"updates upload uploads url urls usage user users value values variant variants "
	"vehicle vehicles vendor vendors verification verify version versions video videos "
	"view viewer viewers views visit visitor visitors visits voucher vouchers wallet "
	"wallets warehouse warehouses watch weather web webhook webhooks website websites week "
	"weekly widget widgets window work worker workers workflow workflows workspace "
	"workspaces zone zones ";

#define SEGMENTS 2 /* so many are shown of a key, of so many words each: no phrase is */
#define SEGMENT_WORDS 2
#define WORDS_MAX 1024
#define WORD_LONGEST 16

static struct {
	struct bytes word[WORDS_MAX];
	size_t count;
} words;

static void make_ready(void)
{
	const char *end;

	for (const char *word = vocabulary; (end = strchr(word, ' ')); word = end + 1) {
		if (words.count < WORDS_MAX)
			words.word[words.count++] =
				(struct bytes){ (const uint8_t *)word, end - word };
	}
}

static int compare(struct bytes a, struct bytes b)
{
	int order = memcmp(a.data, b.data, a.size < b.size ? a.size : b.size);

	return order ? order : (a.size > b.size) - (a.size < b.size);
}

bool redis_shape_word(struct bytes text)
{
	size_t low = 0, high;

	if (!words.count)
		make_ready();
	if (!text.size || text.size > WORD_LONGEST)
		return false;
	for (high = words.count; low < high;) {
		size_t middle = (low + high) / 2;
		int order = compare(text, words.word[middle]);

		if (!order)
			return true;
		if (order < 0)
			high = middle;
		else
			low = middle + 1;
	}
	return false;
}

/* One or two words: "session", "rate_limit". */
static bool is_known(struct bytes segment)
{
	for (unsigned int i = 0; i < SEGMENT_WORDS; i++) {
		size_t size = 0;

		while (size < segment.size && !memchr("_-.", segment.data[size], 3))
			size++;
		if (!redis_shape_word(bytes_first(segment, size)))
			return false;
		if (size == segment.size)
			return true;
		segment = bytes_skip(segment, size + 1);
	}
	return false;
}

static size_t segment_size(struct bytes key)
{
	size_t size = 0;

	while (size < key.size && !memchr(":/{}", key.data[size], 4))
		size++;
	return size;
}

size_t redis_key_shape(struct bytes key, uint8_t out[REDIS_SHAPE_SIZE])
{
	unsigned int known = 0;
	bool mark = false; /* "?" was written last */
	uint8_t before = ':';
	size_t used = 0;

	if (key.size > REDIS_KEY_SIZE)
		key.size = 0;
	for (;;) {
		struct bytes segment = bytes_first(key, segment_size(key));
		bool shown = known < SEGMENTS && is_known(segment);

		if (segment.size && (shown || !mark)) {
			if (used)
				out[used++] = before == '/' ? '/' : ':';
			if (!shown)
				segment = BYTES("?");
			memcpy(out + used, segment.data, segment.size);
			used += segment.size;
			known += shown;
			mark = !shown;
		}
		key = bytes_skip(key, segment_size(key));
		if (!key.size)
			break;
		before = key.data[0];
		key = bytes_skip(key, 1);
	}
	if (!used)
		out[used++] = '?';
	return used;
}
