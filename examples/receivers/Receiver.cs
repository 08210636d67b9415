using System.Net;
using StandardWebhooks;
using StandardWebhooks.Exceptions;

var app = WebApplication.Create(args);
var webhook = new Webhook(Environment.GetEnvironmentVariable("WEBHOOK_SECRET")!);

app.MapPost("/hooks", async (HttpRequest request) =>
{
    var body = await new StreamReader(request.Body).ReadToEndAsync();
    var headers = new WebHeaderCollection();
    foreach (var name in new[] { "webhook-id", "webhook-timestamp", "webhook-signature" })
        headers[name] = request.Headers[name].ToString();
    try { webhook.Verify(body, headers); }
    catch (WebhookVerificationException) { return Results.Unauthorized(); }
    return Results.NoContent();
});
app.Run();
