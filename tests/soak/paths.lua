-- SPDX-License-Identifier: Apache-2.0
-- Paths that change all the time: numbers and hashes, which are folded into one route, a few words
-- that are routes of their own, and one in a hundred that nobody has asked for before.
local words = { "travels", "bookings", "users", "search", "about", "help" }
local methods = { "GET", "GET", "GET", "POST", "DELETE" }
local count = 0

function init(_)
	math.randomseed(os.time())
end

local function fresh()
	local letters = {}
	for i = 1, 12 do
		letters[i] = string.char(96 + math.random(26))
	end
	return table.concat(letters)
end

function request()
	count = count + 1
	local path = "/route/" .. words[1 + count % #words]
	if count % 100 == 0 then
		path = path .. "/" .. fresh()
	elseif count % 2 == 0 then
		path = path .. "/" .. math.random(1000000000)
	else
		path = path .. "/" .. string.format("%08x%08x", math.random(0xfffffff), count)
	end
	return wrk.format(methods[1 + count % #methods], path .. "?n=" .. count)
end
