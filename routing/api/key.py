"""GET /key (and /auth/key): what a key may do and has spent."""

from django.utils.timezone import now
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from routing.api.authentication import caller_of
from routing.api.key_rows import own_key_row
from routing.api.permissions import MayRead
from routing.models import ApiKey


class KeyView(APIView):
    permission_classes = [MayRead]

    def get(self, request: Request) -> Response:
        caller = caller_of(request)
        key = ApiKey.objects.get(pk=caller.api_key_id)
        return Response({"data": own_key_row(caller, key, now())})
