-- A local client's letter is signed on top; the one from outside on the same milter is not, nor is the next
-- local one whose From is nobody's. `socket` is given with -D.
function letter(connection, from, address, login)
	if mt.conninfo(connection, "client.test", address) ~= nil then error("conninfo") end
	if login then mt.macro(connection, SMFIC_MAIL, "i", "4XYZ", "{auth_authen}", login)
	else mt.macro(connection, SMFIC_MAIL, "i", "4XYZ") end
	if mt.mailfrom(connection, "bounces@example.com") ~= nil then error("mailfrom") end
	if mt.header(connection, "From", from) ~= nil then error("From") end
	if mt.header(connection, "Subject", "a folded\n\tsubject") ~= nil then error("Subject") end
	if mt.eoh(connection) ~= nil then error("eoh") end
	if mt.bodystring(connection, "hello\r\n") ~= nil then error("body") end
	if mt.eom(connection) ~= nil then error("eom") end
end

function inserted(connection)
	return mt.eom_check(connection, MT_HDRINSERT, "DKIM-Signature")
end

function expect(what, from, address, login, signed)
	local connection = mt.connect(socket, 40, 0.25)
	if connection == nil then error(what .. ": no connection") end
	if mt.negotiate(connection, nil, nil, nil) ~= nil then error(what .. ": negotiation") end
	letter(connection, from, address, login)
	local reply = mt.getreply(connection)
	if reply ~= SMFIR_CONTINUE then error(what .. ": reply " .. tostring(reply)) end
	if inserted(connection) ~= signed then error(what .. ": signed is not " .. tostring(signed)) end
	for _, change in ipairs({MT_HDRADD, MT_HDRCHANGE, MT_HDRDELETE, MT_BODYCHANGE}) do
		if mt.eom_check(connection, change) then error(what .. ": something else was changed") end
	end
	mt.disconnect(connection)
end

expect("local", " news@example.com", "127.0.0.1", nil, true)
expect("outside", " news@example.com", "192.0.2.7", nil, false)
expect("login", " news@example.com", "192.0.2.7", "me", true)
expect("nobody's", " news@example.net", "127.0.0.1", nil, false)
expect("two authors", " news@example.com, b@example.com", "127.0.0.1", nil, false)
