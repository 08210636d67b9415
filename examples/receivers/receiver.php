<?php
require "vendor/autoload.php";

$webhook = new \StandardWebhooks\Webhook(getenv("WEBHOOK_SECRET"));
$headers = array_change_key_case(getallheaders(), CASE_LOWER);
try {
    $data = $webhook->verify(file_get_contents("php://input"), $headers);
    http_response_code(204);
} catch (\StandardWebhooks\Exception\WebhookVerificationException $error) {
    http_response_code(401);
}
