//! What the server does, each in one step.
//!
//! They are sent whole each time: they are short, and a server that was restarted or took another's
//! place knows none of them by name.

/// Gives the server's clock, whether there is anything, and the record with what is compared of it.
///
/// `PERSIST` is no read: a replica, which may lag behind, refuses it, so that nobody takes a record
/// that is out of date for the newest. And it takes a time to live away that somebody else has set.
pub(super) const READ: &str = "\
redis.call('PERSIST', KEYS[1])
local time = redis.call('TIME')
local there = redis.call('EXISTS', KEYS[1])
local it = redis.call('HMGET', KEYS[1], 'version', 'intent', 'record')
return {time[1], time[2], there, it[1], it[2], it[3]}";

/// Writes version, intent and record (4 to 6) if the version (1) and the intent (2, 3) are as
/// expected. Gives 1 where it did, 0 where they are not, and -1 where there is no whole record.
///
/// A record that is there already, to the byte, was written by this very call the time before, whose
/// answer was lost: it is written again, so that `WAIT` has something to wait for.
pub(super) const WRITE: &str = "\
local it = redis.call('HMGET', KEYS[1], 'version', 'intent', 'record')
if it[3] ~= ARGV[6] then
  if not (it[1] and it[2] and it[3]) and redis.call('EXISTS', KEYS[1]) == 1 then return -1 end
  if (it[1] or '') ~= ARGV[1] then return 0 end
  if ARGV[2] == 'none' and (it[2] or '') ~= '' then return 0 end
  if ARGV[2] == 'open' and it[2] ~= ARGV[3] then return 0 end
end
redis.call('HSET', KEYS[1], 'version', ARGV[4], 'intent', ARGV[5], 'record', ARGV[6])
redis.call('PERSIST', KEYS[1])
return 1";

/// Takes the lease for a holder (1), for milliseconds (2), or makes it last longer.
pub(super) const TAKE_LEASE: &str = "\
local holder = redis.call('GET', KEYS[1])
if holder and holder ~= ARGV[1] then return 0 end
redis.call('SET', KEYS[1], ARGV[1], 'PX', ARGV[2])
return 1";

/// Gives the lease up, if this holder (1) has it.
pub(super) const RELEASE_LEASE: &str = "\
if redis.call('GET', KEYS[1]) == ARGV[1] then redis.call('DEL', KEYS[1]) end
return 1";
