-- While nothing works inside, every letter is put off, each on a connection that goes on; `socket` comes with -D.
local connection = mt.connect(socket, 40, 0.25)
if connection == nil then error("no connection") end
if mt.negotiate(connection, nil, nil, nil) ~= nil then error("negotiation") end
if mt.conninfo(connection, "localhost", "127.0.0.1") ~= nil then error("conninfo") end
for number = 1, 2 do
	mt.macro(connection, SMFIC_MAIL, "i", "4XYZ" .. number)
	if mt.mailfrom(connection, "bounces@example.com") ~= nil then error("mailfrom") end
	if mt.header(connection, "From", " news@example.com") ~= nil then error("From") end
	if mt.eoh(connection) ~= nil then error("eoh") end
	if mt.bodystring(connection, "hello\r\n") ~= nil then error("body") end
	if mt.eom(connection) ~= nil then error("eom") end
	if mt.getreply(connection) ~= SMFIR_TEMPFAIL then error("reply " .. tostring(mt.getreply(connection))) end
	if mt.eom_check(connection, MT_HDRINSERT) then error("something was inserted") end
end
mt.disconnect(connection)
