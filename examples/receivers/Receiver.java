import com.standardwebhooks.Webhook;
import com.standardwebhooks.exceptions.WebhookVerificationException;
import com.sun.net.httpserver.HttpServer;
import java.net.InetSocketAddress;
import java.nio.charset.StandardCharsets;

public class Receiver {
  public static void main(String[] args) throws Exception {
    var webhook = new Webhook(System.getenv("WEBHOOK_SECRET"));
    var port = Integer.parseInt(System.getenv().getOrDefault("PORT", "3000"));
    var server = HttpServer.create(new InetSocketAddress("127.0.0.1", port), 0);
    server.createContext("/", request -> {
      var body = new String(request.getRequestBody().readAllBytes(), StandardCharsets.UTF_8);
      var status = 204;
      try {
        webhook.verify(body, request.getRequestHeaders());
        System.out.println(request.getRequestHeaders().getFirst("ce-type") + " " + body);
      } catch (WebhookVerificationException error) {
        status = 401;
      }
      request.sendResponseHeaders(status, -1);
      request.close();
    });
    server.start();
  }
}
