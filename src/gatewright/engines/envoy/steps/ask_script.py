"""The Lua script that asks a server about a request before it goes on.

It is the same for every route and is loaded once per worker: what is asked is data (the route's `filter_context`, made
by `forward_auth`), so nothing that a user writes is ever read as Lua, and a route costs what its data does.

Envoy lets a request pass when its script fails.  Here everything happens inside a protected call, and whatever goes
wrong in it is answered; `httpCall` may wait inside of one.  Envoy's own answers (nobody there, no answer in time) look
like a server's, but for the header that tells how long the server took.
"""

from __future__ import annotations

from typing import Final

MOST_ANSWER: Final = 1024 * 1024
"""The longest body of a denial that is passed on, in octets."""

SCRIPT: Final = (
    f"local MOST_ANSWER = {MOST_ANSWER}\n"
    + r"""
local NEVER = {
  connection = true, ["keep-alive"] = true, ["proxy-connection"] = true, ["proxy-authenticate"] = true,
  ["proxy-authorization"] = true, te = true, trailer = true, ["transfer-encoding"] = true, upgrade = true,
  ["http2-settings"] = true, ["content-length"] = true, expect = true, host = true,
}

local function is_ours(name)
  return NEVER[name] or name:find("^:") or name:find("^x%-gatewright%-") or name:find("^x%-envoy%-")
end

-- Values by name; several of one name are a list.
local function gather(into, name, value)
  local before = into[name]
  if before == nil then into[name] = value
  elseif type(before) == "table" then before[#before + 1] = value
  else into[name] = { before, value } end
end

local function each(value)
  if type(value) == "table" then return ipairs(value) end
  return ipairs({ value })
end

-- What a request says ------------------------------------------------------------------------------

local function percent(text, harmless)
  return (text:gsub(harmless, function(c) return string.format("%%%02X", c:byte()) end))
end

local function as_value(text) return percent(text, "[^%w%-%._~]") end
local function as_part(text) return percent(text, "[^%w%-%._~:/%?#%[%]@!%$&'%(%)%*%+,;=%%]") end

local function without_port(text)
  return text:match("^%[(.*)%]:%d+$") or text:match("^(.*):%d+$") or text
end

local variables = {}
function variables.host(h)
  local host = (h:headers():get(":authority") or ""):lower()
  if host:sub(1, 1) == "[" then return host:match("^%[[^%]]*%]?") end
  return (host:match("^[^:]*"):gsub("%.$", ""))
end
function variables.scheme(h) return h:headers():get("x-forwarded-proto") or h:headers():get(":scheme") or "http" end
function variables.method(h) return h:headers():get(":method") end
function variables.uri(h) return h:headers():get(":path") or "/" end
function variables.path(h) return variables.uri(h):match("^[^%?]*") end
function variables.query(h) return variables.uri(h):match("%?(.*)$") or "" end
function variables.client(h) return without_port(h:streamInfo():downstreamRemoteAddress()) end
function variables.port(h) return h:streamInfo():downstreamLocalAddress():match(":(%d+)$") or "" end
variables["request-id"] = function(h) return h:headers():get("x-request-id") or "" end
variables["escaped-uri"] = function(h) return as_value(variables.uri(h)) end
function variables.url(h)
  local port = variables.port(h)
  port = (port == "" or port == "80" or port == "443") and "" or ":" .. port
  return variables.scheme(h) .. "://" .. variables.host(h) .. port .. variables.uri(h)
end
variables["escaped-url"] = function(h) return as_value(variables.url(h)) end

local function text_of(h, pieces)
  local made = {}
  for i, piece in ipairs(pieces) do
    made[i] = type(piece) == "table" and (variables[piece.is] and variables[piece.is](h) or "") or piece
  end
  return table.concat(made)
end

-- In a URL a client's text stays what it is: behind the question mark it is one value.
local function url_of(h, pieces)
  local made = ""
  for _, piece in ipairs(pieces) do
    if type(piece) ~= "table" then made = made .. piece
    elseif piece.is:find("^escaped") then made = made .. variables[piece.is](h)
    else
      local text = variables[piece.is] and variables[piece.is](h) or ""
      made = made .. (made:find("?", 1, true) and as_value(text) or as_part(text))
    end
  end
  return made
end

-- Clients that are not asked about -----------------------------------------------------------------

local function groups(text)
  local made = {}
  for group in text:gmatch("[^:]+") do
    local word = group:find("^%x+$") and tonumber(group, 16)
    if not word then return nil end
    made[#made + 1] = word
  end
  return made
end

-- An address as words of 16 bits; nil for what is none.
local function words(text)
  text = text:match("^::ffff:(%d+%.%d+%.%d+%.%d+)$") or text
  local a, b, c, d = text:match("^(%d+)%.(%d+)%.(%d+)%.(%d+)$")
  if a then return { a * 256 + b, c * 256 + d } end
  local head, tail = text:match("^(.-)::(.*)$")
  local first, last = groups(head or text), groups(tail or "")
  if not first or not last then return nil end
  while head and #first + #last < 8 do first[#first + 1] = 0 end
  for _, word in ipairs(last) do first[#first + 1] = word end
  return #first == 8 and first or nil
end

local function covers(net, own)
  if #net.words ~= #own then return false end
  local bits = net.bits
  for i, word in ipairs(net.words) do
    if bits <= 0 then return true end
    local unit = bits >= 16 and 1 or 2 ^ (16 - bits)
    if math.floor(own[i] / unit) ~= math.floor(word / unit) then return false end
    bits = bits - 16
  end
  return true
end

local function is_exempt(h, nets)
  if not nets then return false end
  local own = words(variables.client(h))
  if not own then return false end
  for _, net in ipairs(nets) do
    if covers(net, own) then return true end
  end
  return false
end

-- One question -------------------------------------------------------------------------------------

local function is_copied(q, name)
  if is_ours(name) then return false end
  if q.copies[name] then return true end
  for _, pattern in ipairs(q.matching) do
    if name:find(pattern) then return true end
  end
  return false
end

local function asked(h, q)
  local sent, theirs = {}, {}
  for name, value in pairs(h:headers()) do
    if not is_ours(name) and (not q.sends or q.sends[name]) then gather(sent, name, value) end
    if is_copied(q, name) then theirs[#theirs + 1] = name end
  end
  for _, told in ipairs(q.tells) do
    local value = text_of(h, told.value)
    sent[told.name] = value ~= "" and value or nil
  end
  sent[":method"] = q.method ~= "" and q.method or h:headers():get(":method")
  sent[":scheme"], sent[":authority"], sent[":path"] = q.scheme, text_of(h, q.host), url_of(h, q.path)
  return sent, theirs
end

-- The body, when it goes along; false if it is too long.
local function body_of(h, q)
  if q.body <= 0 or h:headers():get("upgrade") then return nil end
  if (tonumber(h:headers():get("content-length") or "0") or 0) > q.body then return false end
  local body = h:body()
  local size = body and body:length() or 0
  if size > q.body then return false end
  return size > 0 and body:getBytes(0, size) or nil
end

local function passes(h, q, got, cookies)
  for name, value in pairs(got) do
    if is_copied(q, name) then
      for i, one in each(value) do
        if i == 1 then h:headers():replace(name, one) else h:headers():add(name, one) end
      end
    end
  end
  for _, name in ipairs(q.drops) do h:headers():remove(name) end
  for _, cookie in each(got["set-cookie"]) do
    if q.cookies["*"] or q.cookies[cookie:match("^%s*([^=;%s]*)")] then cookies[#cookies + 1] = cookie end
  end
end

-- A relative Location is one at the server that was asked (RFC 3986, 5.2); dots in it are for the client to resolve.
local function completed(location, sent)
  if location:find("^%a[%w+.-]*:") then return location end
  if location:find("^//") then return sent[":scheme"] .. ":" .. location end
  local server, path = sent[":scheme"] .. "://" .. sent[":authority"], sent[":path"]:match("^[^%?#]*")
  if location:find("^/") then return server .. location end
  if location == "" or location:find("^[%?#]") then return server .. path .. location end
  return server .. (path:match("^.*/") or "/") .. location
end

local function denial(h, q, got, body, sent)
  local status = tonumber(got[":status"])
  if status == 401 and q.signin then
    return { [":status"] = "302", location = url_of(h, q.signin), ["set-cookie"] = got["set-cookie"] }
  end
  if q.denials and not q.denials[got[":status"]] or body and #body > MOST_ANSWER then
    return { [":status"] = q.error }
  end
  local made = {}
  for name, value in pairs(got) do
    if not is_ours(name) then made[name] = value end
  end
  made[":status"] = got[":status"]
  if q.completes and type(got.location) == "string" then made.location = completed(got.location, sent) end
  if status == 304 or h:headers():get(":method") == "HEAD" then body = nil end
  return made, body
end

-- What is answered instead of going on: headers and body; nothing when the request may pass.
local function verdict(h, q, cookies)
  if is_exempt(h, q.excepts) then
    local _, theirs = asked(h, q)
    for _, name in ipairs(theirs) do h:headers():remove(name) end
    return nil
  end
  local body = body_of(h, q)
  if body == false then return { [":status"] = "413" } end
  local sent, theirs = asked(h, q)
  for _, name in ipairs(theirs) do h:headers():remove(name) end
  local got, text = h:httpCall(q.cluster, sent, body,
    { timeout_ms = q.timeout, return_duplicate_headers = true, send_xff = false })
  local status = tonumber(got[":status"])
  if not status or not got["x-envoy-upstream-service-time"] then return { [":status"] = q.error } end
  if status >= 200 and status < 300 then return passes(h, q, got, cookies) end
  return denial(h, q, got, text, sent)
end

function envoy_on_request(handle)
  local failed = "500"
  local is_fine = pcall(function()
    local questions = handle:filterContext():get("questions")
    if not questions then return end
    local cookies = {}
    for _, q in ipairs(questions) do
      failed = q.error
      local headers, body = verdict(handle, q, cookies)
      if headers then handle:respond(headers, body) end
    end
    if #cookies > 0 then handle:streamInfo():dynamicMetadata():set("gatewright.ask", "cookies", cookies) end
  end)
  if not is_fine then handle:respond({ [":status"] = failed }) end
end

function envoy_on_response(handle)
  pcall(function()
    local kept = handle:streamInfo():dynamicMetadata():get("gatewright.ask")
    if not kept then return end
    for _, cookie in ipairs(kept.cookies) do handle:headers():add("set-cookie", cookie) end
  end)
end
"""
)
