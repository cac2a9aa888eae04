/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Redis 7 (COMMAND LIST), what Redis 8, Valkey, KeyDB and Sentinel add, and the usual modules. Of
 * names that are missing here the first UNKNOWN_LIMIT are still counted under their own.
 */
#include "proto/redis_commands.h"

#include "util/names.h"

#define ENTRIES 1024	 /* a power of two */
#define UNKNOWN_LIMIT 64 /* names that a peer made up cost no more */

static const char plain[] =
	"ACL APPEND ASKING AUTH BGREWRITEAOF BGSAVE BITCOUNT BITFIELD BITFIELD_RO BITOP "
	"BITPOS BLMOVE BLMPOP BLPOP BRPOP BRPOPLPUSH BZMPOP BZPOPMAX BZPOPMIN CLUSTER COMMAND "
	"CONFIG COPY DBSIZE DEBUG DECR DECRBY DEL DELEX DELIFEQ ECHO EVAL EVALSHA EVALSHA_RO "
	"EVAL_RO EXISTS EXPIRE EXPIREAT EXPIRETIME FAILOVER FCALL FCALL_RO FLUSHALL FLUSHDB "
	"FUNCTION GEOADD GEODIST GEORADIUS GEORADIUSBYMEMBER GEORADIUSBYMEMBER_RO "
	"GEORADIUS_RO GEOSEARCH GEOSEARCHSTORE GETBIT GETRANGE HDEL HELLO HEXISTS HEXPIRE "
	"HEXPIREAT HEXPIRETIME HGETALL HINCRBY HINCRBYFLOAT HKEYS HLEN HMSET HPERSIST "
	"HPEXPIRE HPEXPIREAT HPEXPIRETIME HPTTL HRANDFIELD HSCAN HSET HSETEX HSETNX HSTRLEN "
	"HTTL HVALS INCR INCRBY INCRBYFLOAT INFO KEYS LASTSAVE LATENCY LCS LINSERT LLEN LMOVE "
	"LMPOP LOLWUT LPOP LPOS LPUSH LPUSHX LRANGE LREM LSET LTRIM MEMORY MIGRATE MODULE "
	"MOVE MSET MSETEX MSETNX OBJECT PERSIST PEXPIRE PEXPIREAT PEXPIRETIME PFADD PFCOUNT "
	"PFDEBUG PFMERGE PFSELFTEST PSETEX PTTL PUBLISH PUBSUB QUIT RANDOMKEY READONLY "
	"READWRITE RENAME RENAMENX REPLICAOF RESTORE RESTORE-ASKING ROLE RPOP RPOPLPUSH RPUSH "
	"RPUSHX SADD SAVE SCAN SCARD SCRIPT SDIFF SDIFFSTORE SELECT SENTINEL SET SETBIT SETEX "
	"SETNX SETRANGE SHUTDOWN SINTER SINTERCARD SINTERSTORE SISMEMBER SLAVEOF SLOWLOG "
	"SMEMBERS SMISMEMBER SMOVE SORT SORT_RO SPOP SPUBLISH SRANDMEMBER SREM SSCAN STRLEN "
	"SUBSTR SUNION SUNIONSTORE SWAPDB TIME TOUCH TTL TYPE UNLINK UNWATCH WAIT WAITAOF "
	"WATCH XACK XACKDEL XADD XAUTOCLAIM XCLAIM XDEL XDELEX XGROUP XINFO XLEN XPENDING "
	"XRANGE XREAD XREADGROUP XREVRANGE XSETID XTRIM ZADD ZCARD ZCOUNT ZDIFF ZDIFFSTORE "
	"ZINCRBY ZINTER ZINTERCARD ZINTERSTORE ZLEXCOUNT ZMPOP ZPOPMAX ZPOPMIN ZRANDMEMBER "
	"ZRANGE ZRANGEBYLEX ZRANGEBYSCORE ZRANGESTORE ZREM ZREMRANGEBYLEX ZREMRANGEBYRANK "
	"ZREMRANGEBYSCORE ZREVRANGE ZREVRANGEBYLEX ZREVRANGEBYSCORE ZSCAN ZUNION ZUNIONSTORE "
	"VADD VCARD VDIM VEMB VGETATTR VINFO VLINKS VRANDMEMBER VREM VSETATTR VSIM "
	"EXPIREMEMBER KEYDB.CRON "
	"JSON.ARRAPPEND JSON.ARRINDEX JSON.ARRINSERT JSON.ARRLEN JSON.ARRPOP JSON.ARRTRIM "
	"JSON.CLEAR JSON.DEBUG JSON.DEL JSON.FORGET JSON.MERGE JSON.MSET JSON.NUMINCRBY "
	"JSON.NUMMULTBY JSON.OBJKEYS JSON.OBJLEN JSON.RESP JSON.SET JSON.STRAPPEND "
	"JSON.STRLEN JSON.TOGGLE JSON.TYPE FT.AGGREGATE FT.ALIASADD FT.ALIASDEL "
	"FT.ALIASUPDATE FT.ALTER FT.CONFIG FT.CREATE FT.CURSOR FT.DICTADD FT.DICTDEL "
	"FT.DICTDUMP FT.DROPINDEX FT.EXPLAIN FT.EXPLAINCLI FT.HYBRID FT.INFO FT.PROFILE "
	"FT.SEARCH FT.SPELLCHECK FT.SUGADD FT.SUGDEL FT.SUGGET FT.SUGLEN FT.SYNDUMP "
	"FT.SYNUPDATE FT.TAGVALS FT._LIST TS.ADD TS.ALTER TS.CREATE TS.CREATERULE "
	"TS.DECRBY TS.DEL TS.DELETERULE TS.GET TS.INCRBY TS.INFO TS.MADD TS.MGET TS.MRANGE "
	"TS.MREVRANGE TS.QUERYINDEX TS.RANGE TS.REVRANGE BF.ADD BF.CARD BF.EXISTS BF.INFO "
	"BF.INSERT BF.LOADCHUNK BF.MADD BF.MEXISTS BF.RESERVE BF.SCANDUMP CF.ADD CF.ADDNX "
	"CF.COUNT CF.DEL CF.EXISTS CF.INFO CF.INSERT CF.INSERTNX CF.LOADCHUNK CF.MEXISTS "
	"CF.RESERVE CF.SCANDUMP CMS.INCRBY CMS.INFO CMS.INITBYDIM CMS.INITBYPROB CMS.MERGE "
	"CMS.QUERY TOPK.ADD TOPK.COUNT TOPK.INCRBY TOPK.INFO TOPK.LIST TOPK.QUERY "
	"TOPK.RESERVE TDIGEST.ADD TDIGEST.BYRANK TDIGEST.BYREVRANK TDIGEST.CDF "
	"TDIGEST.CREATE TDIGEST.INFO TDIGEST.MAX TDIGEST.MERGE TDIGEST.MIN "
	"TDIGEST.QUANTILE TDIGEST.RANK TDIGEST.RESET TDIGEST.REVRANK TDIGEST.TRIMMED_MEAN ";

static const struct special {
	const char *name;
	uint8_t kind;
	uint8_t reader;
} specials[] = {
	{ "MULTI", REDIS_MULTI, 0 },
	{ "EXEC", REDIS_EXEC, 0 },
	{ "DISCARD", REDIS_DISCARD, 0 },
	{ "RESET", REDIS_RESET, 0 },
	{ "PING", REDIS_PING, 0 },
	{ "MONITOR", REDIS_MONITOR, 0 },
	{ "SYNC", REDIS_SYNC, 0 },
	{ "PSYNC", REDIS_PSYNC, 0 },
	{ "CLIENT", REDIS_CLIENT, 0 },
	{ "REPLCONF", REDIS_REPLCONF, 0 },
	{ "SUBSCRIBE", REDIS_SUBSCRIBE, 0 },
	{ "PSUBSCRIBE", REDIS_PSUBSCRIBE, 0 },
	{ "SSUBSCRIBE", REDIS_SSUBSCRIBE, 0 },
	{ "UNSUBSCRIBE", REDIS_UNSUBSCRIBE, 0 },
	{ "PUNSUBSCRIBE", REDIS_PUNSUBSCRIBE, 0 },
	{ "SUNSUBSCRIBE", REDIS_SUNSUBSCRIBE, 0 },
	{ "GET", REDIS_PLAIN, REDIS_READS_VALUE },
	{ "GETDEL", REDIS_PLAIN, REDIS_READS_VALUE },
	{ "GETEX", REDIS_PLAIN, REDIS_READS_VALUE },
	{ "GETSET", REDIS_PLAIN, REDIS_READS_VALUE },
	{ "HGET", REDIS_PLAIN, REDIS_READS_VALUE },
	{ "LINDEX", REDIS_PLAIN, REDIS_READS_VALUE },
	{ "ZSCORE", REDIS_PLAIN, REDIS_READS_VALUE },
	{ "ZRANK", REDIS_PLAIN, REDIS_READS_VALUE },
	{ "ZREVRANK", REDIS_PLAIN, REDIS_READS_VALUE },
	{ "DUMP", REDIS_PLAIN, REDIS_READS_VALUE },
	{ "JSON.GET", REDIS_PLAIN, REDIS_READS_VALUE },
	{ "MGET", REDIS_PLAIN, REDIS_READS_EACH },
	{ "HMGET", REDIS_PLAIN, REDIS_READS_EACH },
	{ "HGETEX", REDIS_PLAIN, REDIS_READS_EACH },
	{ "HGETDEL", REDIS_PLAIN, REDIS_READS_EACH },
	{ "ZMSCORE", REDIS_PLAIN, REDIS_READS_EACH },
	{ "GEOPOS", REDIS_PLAIN, REDIS_READS_EACH },
	{ "GEOHASH", REDIS_PLAIN, REDIS_READS_EACH },
	{ "JSON.MGET", REDIS_PLAIN, REDIS_READS_EACH },
};

/* An upper-case name, padded with zeros: compared and hashed as words. */
union key {
	uint8_t text[REDIS_NAME_SIZE];
	uint64_t word[REDIS_NAME_SIZE / 8];
};

struct entry {
	union key key;		      /* all zero: free */
	struct redis_command command; /* .name 0: not yet sent by anybody */
	bool foreign;		      /* not of the lists above */
};

static struct {
	struct entry entry[ENTRIES];
	unsigned int unknown;
	bool ready;
	struct redis_command other;
} commands;

static bool key_make(struct bytes name, union key *key)
{
	if (!name.size || name.size > REDIS_NAME_SIZE)
		return false;
	memset(key, 0, sizeof(*key));
	for (size_t i = 0; i < name.size; i++) {
		uint8_t c = name.data[i];

		if (c >= 'a' && c <= 'z')
			c -= 'a' - 'A';
		else if (!((c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '.' ||
			   c == '_' || c == '-' || c == '|'))
			return false;
		key->text[i] = c;
	}
	return true;
}

/* The key's entry, or the free one where it would be. */
static struct entry *entry_at(const union key *key)
{
	uint64_t hash = key->word[0] ^ key->word[1] * 31 ^ key->word[2] * 37 ^ key->word[3] * 41;
	size_t i = hash * 0x9e3779b97f4a7c15ULL >> 54;

	while (commands.entry[i].key.text[0] &&
	       memcmp(&commands.entry[i].key, key, sizeof(*key)) != 0)
		i = (i + 1) & (ENTRIES - 1);
	return &commands.entry[i];
}

static void entry_add(const char *name, size_t size, uint8_t kind, uint8_t reader)
{
	union key key;
	struct entry *entry;

	if (!key_make((struct bytes){ (const uint8_t *)name, size }, &key))
		return;
	entry = entry_at(&key);
	entry->key = key;
	entry->command = (struct redis_command){ .kind = kind, .reader = reader };
}

static void make_ready(void)
{
	const char *end;

	for (const char *name = plain; (end = strchr(name, ' ')); name = end + 1)
		entry_add(name, end - name, REDIS_PLAIN, REDIS_READS_NONE);
	for (size_t i = 0; i < sizeof(specials) / sizeof(specials[0]); i++)
		entry_add(specials[i].name, strlen(specials[i].name), specials[i].kind,
			  specials[i].reader);
	commands.ready = true;
}

static const struct redis_command *other(void)
{
	if (!commands.other.name)
		commands.other.name = names_intern(NAME_OPERATION, BYTES("OTHER"));
	return &commands.other;
}

const struct redis_command *redis_command_find(struct bytes name)
{
	union key key;
	struct entry *entry;

	if (!commands.ready)
		make_ready();
	if (!key_make(name, &key))
		return other();
	entry = entry_at(&key);
	if (entry->command.name)
		return &entry->command;
	if (!entry->key.text[0]) {
		if (commands.unknown == UNKNOWN_LIMIT)
			return other();
		commands.unknown++;
		entry->key = key;
		entry->foreign = true;
	}
	entry->command.name = names_intern(NAME_OPERATION, (struct bytes){ key.text, name.size });
	return &entry->command;
}

bool redis_command_known(struct bytes name)
{
	union key key;
	const struct entry *entry;

	if (!commands.ready)
		make_ready();
	if (!key_make(name, &key))
		return false;
	entry = entry_at(&key);
	return entry->key.text[0] && !entry->foreign;
}
