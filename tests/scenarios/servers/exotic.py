"""A server whose every answer has all that the specification allows, and more: members nobody knows, numbers nobody
can hold, texts that can be written in several ways. See `speaking` for how it is run."""

from __future__ import annotations

import asyncio
import json

from tests.scenarios.servers.speaking import Client, Message, Problem, Request, main

# Written so that any reader that decodes and encodes it again shows: number spellings, escapes, order, empty members.
ODD = (
    '"x-odd":{"z":null,"A":1.0,"a":1e400,"b":-0.0,"big":123456789012345678901234567890,"small":1.50e-07,'
    '"text":"\\u00e9\\/\\ud83d\\ude00 é\\u0000\\u2028","empty":"","list":[[],{},[[[{"deep":[null]}]]]]}'
)
META = '"_meta":{"vendor/key":{"k":[1.0]},"Other":null}'
ICONS = '"icons":[{"src":"data:image/png;base64,AA==","mimeType":"image/png","sizes":["48x48","any"],"theme":"dark"}]'
ANNOTATIONS = (
    '"annotations":{"audience":["user"],"priority":0.50,"lastModified":"2025-01-12T15:00:58Z","x":null}'
)
SCHEMA = (
    '{"$schema":"https://json-schema.org/draft/2020-12/schema","type":"object","$anchor":"top","$defs":{"n":{'
    '"$dynamicAnchor":"n","type":"string","pattern":"^\\\\d+$"}},"properties":{"a":{"$ref":"#/$defs/n"},"b":{'
    '"$dynamicRef":"#n","default":1.0},"":{"const":null}},"patternProperties":{"^x":true},'
    '"unevaluatedProperties":false,"x-ext":[1e2]}'
)
TOOLS = (
    f'[{{"name":"exotic","title":"","description":"é\\u00e9","inputSchema":{SCHEMA},"outputSchema":{SCHEMA},'
    f'"annotations":{{"readOnlyHint":true,"x-hint":1.0}},"execution":{{"taskSupport":"forbidden","x":1.0}},{ICONS},{META},{ODD}}},'
    f'{{"name":"mirror","inputSchema":{{"type":"object"}},{ODD}}},{{"name":"fails","inputSchema":{{}}}},'
    f'{{"name":"talks","inputSchema":{{"type":"object","properties":{{}}}}}},'
    f'{{"name":"asks","inputSchema":{{"type":"object"}}}},{{"name":"touch","inputSchema":{{"type":"object"}}}}]'
)
URI = "Rich://Host/%2F%c3%a9?Q=%20#F"
RESOURCES = (
    f'[{{"uri":"{URI}","name":"R","title":"T","size":12345678901234567890,"mimeType":"Text/X","description":"",'
    f"{ANNOTATIONS},{ICONS},{META},{ODD}}}]"
)
TEMPLATES = f'[{{"uriTemplate":"Tree://{{+path}}/x{{?q}}","name":"t",{ANNOTATIONS},{ICONS},{META},{ODD}}}]'
ARGUMENT = f'{{"name":"a","title":"A","required":true,{ODD}}}'
PROMPTS = f'[{{"name":"p","title":"","arguments":[{ARGUMENT}],{ICONS},{META},{ODD}}}]'
CONTENT = (
    f'[{{"type":"text","text":"\\u00e9",{ANNOTATIONS},{META},{ODD}}},'
    f'{{"type":"image","data":"AA==","mimeType":"image/png",{ODD}}},'
    f'{{"type":"audio","data":"AA==","mimeType":"audio/wav"}},'
    f'{{"type":"resource_link","uri":"{URI}","name":"l","size":1.0,{ICONS},{ODD}}},'
    f'{{"type":"resource","resource":{{"uri":"{URI}","text":"","x":null}},{ODD}}},'
    f'{{"type":"vendor/unknown",{ODD}}}]'
)
ERRORS = (
    '{"code":-31999,"message":"","data":{"a":1.0,"b":[1e400]},"x-beside":null}',
    '{"code":12345,"message":"\\u00e9","data":"text"}',
    '{"code":-32000,"message":"none","data":null}',
    '{"code":-32603,"message":"list","data":[1.0,{"z":1,"a":2}]}',
    '{"code":0,"message":"false","data":false}',
)
CAPABILITIES = (
    f'{{"tools":{{"listChanged":true}},"prompts":{{}},"resources":{{"subscribe":true}},"completions":{{}},'
    f'"logging":{{}},"experimental":{{"vendor/e":{{{ODD}}}}},"extensions":{{"vendor/x":{{"n":1.0,{ODD}}}}}}}'
)
FORM_SCHEMA = (
    '{"type":"object","properties":{"a":{"type":"string","enum":["x"],"enumNames":["X"],"default":"x"},"b":{"type":'
    '"number","minimum":-1e400,"default":1.0},"c":{"type":"array","items":{"anyOf":[{"const":"d","title":""}]}}}}'
)
QUESTIONS = {
    "form": (
        "elicitation/create",
        f'{{"mode":"form","message":"","requestedSchema":{FORM_SCHEMA},{META},{ODD}}}',
    ),
    "sample": (
        "sampling/createMessage",
        f'{{"messages":[{{"role":"user","content":{{"type":"text","text":"\\u00e9",{ODD}}},{ODD}}}],"maxTokens":1e3,'
        f'"temperature":1.0,"systemPrompt":"","stopSequences":[],"metadata":{{{ODD}}},"modelPreferences":{{"hints":[{{'
        f'"name":"x",{ODD}}}],"costPriority":0.50}},"tools":[{{"name":"t","inputSchema":{SCHEMA},{ODD}}}],{META},{ODD}}}',
    ),
    "roots": ("roots/list", f"{{{META},{ODD}}}"),
}
UPDATED = f'"uri":"{URI}","title":"",{ODD}'
CACHE = '"resultType":"complete","ttlMs":12345,"cacheScope":"public",'


class Exotic:
    def __init__(self) -> None:
        self.subscribers: list[Client] = []
        self.listening: list[Request] = []

    async def serve(self, request: Request) -> str:
        head = '"resultType":"complete",' if request.modern else ""
        cache = CACHE if request.modern else ""
        rest = f"{META},{ODD}"
        method, params = request.method, request.params
        if "x-mirror" in params:
            return f'{{{cache}"mirror":{json.dumps(request.text)},{rest}}}'
        if method in LISTS:
            return f"{{{cache}{LISTS[method]},{rest}}}"
        if method == "initialize":
            return (
                f'{{"protocolVersion":"2025-11-25","capabilities":{CAPABILITIES},"serverInfo":{{"name":"exotic",'
                f'"version":"1"}},"instructions":"\\u00e9 é",{rest}}}'
            )
        if method == "server/discover":
            return (
                f'{{{cache}"supportedVersions":["2026-07-28"],"capabilities":{CAPABILITIES},'
                f'"instructions":"\\u00e9 é",{rest}}}'
            )
        if method == "tools/call":
            return await self._call(request, head, rest)
        if method == "prompts/get":
            link = (
                f'{{"role":"user","content":{{"type":"resource_link","uri":"{URI}","name":"l",{ODD}}},{ODD}}}'
            )
            return f'{{{head}"description":"","messages":[{link}],{rest}}}'
        if method == "resources/read":
            uri = json.dumps(params["uri"])
            return (
                f'{{{cache}"contents":[{{"uri":{uri},"blob":"AA==","mimeType":"X/y",{META},{ODD}}}],{rest}}}'
            )
        if method == "completion/complete":
            return (
                f'{{{head}"completion":{{"values":["\\u00e9",""],"total":2.0,"hasMore":false,{ODD}}},{rest}}}'
            )
        if method == "subscriptions/listen":
            return await self._listen(request)
        if method == "resources/subscribe":
            self.subscribers.append(request.client)
        if method in ("ping", "logging/setLevel", "resources/subscribe", "resources/unsubscribe"):
            return "{}"
        raise Problem('{"code":-32601,"message":"Method not found"}')

    async def _call(self, request: Request, head: str, rest: str) -> str:
        tool = request.params["name"]
        if tool == "mirror":
            return f'{{{head}"content":[{{"type":"text","text":{json.dumps(request.text)}}}]}}'
        if tool == "asks":
            return await self._ask(request, head, rest)
        if tool == "touch":
            for client in self.subscribers:
                params = f'{{{UPDATED},"_meta":{{"vendor/k":[1.0]}}}}'
                await client.tell(
                    f'{{"jsonrpc":"2.0","method":"notifications/resources/updated","params":{params}}}'
                )
            for each in self.listening:
                tag = f'"_meta":{{"io.modelcontextprotocol/subscriptionId":{json.dumps(each.id)},"vendor/k":[1.0]}}'
                await each.say("notifications/resources/updated", f"{{{UPDATED},{tag}}}")
            return f'{{{head}"content":[]}}'
        if tool == "fails":
            raise Problem(ERRORS[request.params["arguments"]["which"]])
        if tool == "talks":
            token = json.dumps(request.meta["progressToken"])
            for value in ("0.50", "1.0", "1e2"):
                progress = (
                    f'{{"progressToken":{token},"progress":{value},"total":1e400,"message":"\\u00e9",{rest}}}'
                )
                await request.say("notifications/progress", progress)
            await request.say(
                "notifications/message", f'{{"level":"error","logger":"","data":[1.0,{{{ODD}}}],{rest}}}'
            )
            await request.say("notifications/vendor/thing", f'{{"a":1.0,{rest}}}')
            return f'{{{head}"content":[]}}'
        structured = "" if request.modern else '"structuredContent":{"a":1.0,"":null},'
        if request.modern:
            structured = '"structuredContent":[1.0,null,1e400],'
        return f'{{{head}"content":{CONTENT},{structured}"isError":false,{rest}}}'

    async def _ask(self, request: Request, head: str, rest: str) -> str:
        """Ask everything, and give back what was heard as it was written."""
        if not request.modern:
            heard = [await request.ask_text(*each) for each in QUESTIONS.values()]
            return f'{{"content":[],"heard":{json.dumps([each["text"] for each in heard])}}}'
        if "inputResponses" in request.params:
            return f'{{{head}"content":[],"heard":{json.dumps([request.text])}}}'
        asked = ",".join(
            f'"{key}":{{"method":"{method}","params":{params},{ODD}}}'
            for key, (method, params) in QUESTIONS.items()
        )
        return f'{{"resultType":"input_required","inputRequests":{{{asked}}},"requestState":"\\u00e9 \\/",{rest}}}'

    async def _listen(self, request: Request) -> str:
        tag = f'"_meta":{{"io.modelcontextprotocol/subscriptionId":{json.dumps(request.id)}}}'
        wanted = json.dumps(request.params["notifications"])
        await request.say("notifications/subscriptions/acknowledged", f'{{"notifications":{wanted},{tag}}}')
        self.listening.append(request)
        try:
            await asyncio.Event().wait()
        finally:
            self.listening.remove(request)
        return "{}"

    async def notified(self, client: Client, message: Message) -> None: ...


LISTS = {
    "tools/list": f'"tools":{TOOLS}',
    "prompts/list": f'"prompts":{PROMPTS}',
    "resources/list": f'"resources":{RESOURCES}',
    "resources/templates/list": f'"resourceTemplates":{TEMPLATES}',
}

if __name__ == "__main__":
    main(Exotic())
